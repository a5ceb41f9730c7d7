#include "worker/stage.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/decoder_layer.h"
#include "worker/payload.h"
#include "worker/token_chooser.h"

namespace gantry {
namespace {

// Numbers the rows of the slices from 0 on, `rows_of(slice)` each, and leaves out those without.
template <typename RowsOf>
void NumberRows(RowsOf rows_of, std::vector<ActiveSlice>* active) {
  int64_t row = 0;
  for (ActiveSlice& item : *active) {
    item.row = row;
    item.rows = rows_of(*item.slice);
    row += item.rows;
  }
  active->erase(std::remove_if(active->begin(), active->end(),
                               [](const ActiveSlice& item) { return item.rows == 0; }),
                active->end());
}

int64_t CountRows(absl::Span<const ActiveSlice> active) {
  int64_t rows = 0;
  for (const ActiveSlice& item : active) rows += item.rows;
  return rows;
}

}  // namespace

Stage::Stage(StageSpec spec, Workspace* workspace, Backend* backend)
    : spec_(std::move(spec)),
      workspace_(workspace),
      backend_(backend),
      sequences_(spec_.shape.num_blocks, spec_.shape.block_size),
      layouts_(&spec_.config, spec_.shape.block_size) {
  for (const std::shared_ptr<const ModuleWeights>& module : spec_.modules) {
    switch (module->spec.kind) {
      case ModuleKind::kEmbedding:
        embedding_ = module.get();
        break;
      case ModuleKind::kLayer:
        layers_.push_back(module.get());
        break;
      case ModuleKind::kNorm:
        norm_ = module.get();
        break;
      case ModuleKind::kLmHead:
        head_ = module.get();
        break;
    }
  }
  ends_layers_ = !layers_.empty() && layers_.back()->spec.layer == spec_.config.num_layers - 1;
  limits_.epoch = spec_.epoch;
  limits_.stage = spec_.index;
  limits_.input = embedding_ != nullptr ? StageLimits::Input::kTokenIds
                  : layers_.empty()     ? StageLimits::Input::kLogitRows
                                        : StageLimits::Input::kTokenRows;
  limits_.dtype = backend_->activation_dtype();
  limits_.hidden_size = spec_.config.hidden_size;
  limits_.vocab_size = spec_.config.vocab_size;
  limits_.context = spec_.shape.context;
  limits_.max_step_tokens = spec_.shape.max_step_tokens;
  limits_.max_step_rows = std::min(spec_.shape.max_step_rows, spec_.shape.max_step_tokens);
}

absl::StatusOr<std::unique_ptr<Stage>> Stage::Create(StageSpec spec, Workspace* workspace,
                                                     Backend* backend) {
  const std::vector<ModuleSpec> order = ListModules(spec.config);
  if (spec.modules.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("stage ", spec.index, " has no modules"));
  }
  size_t at = 0;
  while (at < order.size() && order[at].name != spec.modules[0]->spec.name) ++at;
  for (const std::shared_ptr<const ModuleWeights>& module : spec.modules) {
    if (at == order.size() || order[at].name != module->spec.name) {
      return absl::InvalidArgumentError(absl::StrCat("stage ", spec.index, ": ", module->spec.name,
                                                     " does not follow the module before it"));
    }
    ++at;
  }
  std::unique_ptr<Stage> stage(new Stage(std::move(spec), workspace, backend));
  GANTRY_RETURN_IF_ERROR(stage->MakeCaches());
  return stage;
}

absl::Status Stage::MakeCaches() {
  const KvCacheShape shape = {spec_.shape.num_blocks, spec_.shape.block_size,
                              spec_.config.num_kv_heads, spec_.config.head_dim};
  for (size_t i = 0; i < layers_.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(std::unique_ptr<KvCache> cache, backend_->MakeKvCache(shape));
    caches_.push_back(std::move(cache));
  }
  return absl::OkStatus();
}

uint64_t Stage::kv_cache_bytes() const {
  uint64_t bytes = 0;
  for (const std::unique_ptr<KvCache>& cache : caches_) bytes += cache->bytes();
  return bytes;
}

int64_t Stage::row_bytes() const {
  return spec_.config.hidden_size * DTypeSize(backend_->activation_dtype());
}

void Stage::Fail(v1::SequenceSlice* slice, absl::string_view error) {
  sequences_.Fail(slice->sequence(), error);
  const uint64_t sequence = slice->sequence();
  slice->Clear();
  slice->set_sequence(sequence);
  slice->set_error(std::string(error));
}

void Stage::Observe(const ModuleWeights* module, const Buffer& rows, int64_t count,
                    int64_t columns) {
  if (observer_ != nullptr) observer_(module->spec.name, rows, count, columns);
}

absl::Status Stage::Run(StepFrame* frame) {
  v1::StepHeader& header = frame->header;
  for (const uint64_t sequence : header.released()) sequences_.Release(sequence);
  std::vector<ActiveSlice> active = Admit(&header);
  header.set_stage(spec_.index + 1);
  header.clear_results();
  return Compute(frame, &active);
}

std::vector<ActiveSlice> Stage::Admit(v1::StepHeader* header) {
  std::vector<ActiveSlice> active;
  int64_t payload_row = 0;
  for (v1::SequenceSlice& slice : *header->mutable_slices()) {
    if (!slice.error().empty()) {
      sequences_.Fail(slice.sequence(), slice.error());
      continue;
    }
    ActiveSlice item;
    item.slice = &slice;
    item.payload_row = payload_row;
    payload_row += InputRows(slice, limits_.input);
    absl::Status admitted = CheckSlice(slice, limits_);
    if (admitted.ok()) {
      absl::StatusOr<StageSequence*> sequence = sequences_.Append(slice);
      admitted = sequence.status();
      if (sequence.ok()) item.sequence = *sequence;
    }
    if (admitted.ok() && !item.sequence->params.score() && slice.logit_rows() > 1) {
      admitted = absl::InvalidArgumentError(
          absl::StrCat("logit_rows: expected at most 1 to sample, found ", slice.logit_rows()));
    }
    if (admitted.ok()) {
      active.push_back(item);
    } else {
      Fail(&slice, absl::StrCat("stage ", spec_.index, " on worker ", spec_.worker, ": ",
                                admitted.message()));
    }
  }
  NumberRows([this](const v1::SequenceSlice& slice) { return InputRows(slice, limits_.input); },
             &active);
  return active;
}

absl::Status Stage::Compute(StepFrame* frame, std::vector<ActiveSlice>* active) {
  const bool runs_layers = limits_.input != StageLimits::Input::kLogitRows;
  const StepLayout layout = runs_layers ? layouts_.Make(*active) : StepLayout();
  GANTRY_RETURN_IF_ERROR(backend_->BeginStep(layout));
  absl::Status done = absl::OkStatus();
  if (!runs_layers) {
    done = UploadInput(*frame, *active, workspace_->rows.get());
  } else {
    done = RunLayers(*frame, active);
    if (done.ok() && ends_layers_) done = GatherLogitRows(active);
  }
  if (done.ok()) {
    done = runs_layers && !ends_layers_ ? SendRows(*workspace_->hidden, *active, frame)
                                        : RunHead(frame, *active);
  }
  const absl::Status ended = backend_->EndStep();
  return done.ok() ? ended : done;
}

absl::Status Stage::RunLayers(const StepFrame& frame, std::vector<ActiveSlice>* active) {
  const int64_t rows = CountRows(*active);
  if (rows == 0) return absl::OkStatus();
  Buffer* const hidden = workspace_->hidden.get();
  if (embedding_ != nullptr) {
    std::vector<int32_t> ids;
    for (const ActiveSlice& item : *active) {
      ids.insert(ids.end(), item.slice->token_ids().begin(), item.slice->token_ids().end());
    }
    GANTRY_RETURN_IF_ERROR(backend_->Embed(ids, *embedding_->matrix.matrix, hidden));
    Observe(embedding_, *hidden, rows, spec_.config.hidden_size);
  } else {
    GANTRY_RETURN_IF_ERROR(UploadInput(frame, *active, hidden));
  }
  for (size_t i = 0; i < layers_.size(); ++i) {
    GANTRY_RETURN_IF_ERROR(
        RunDecoderLayer(spec_.config, *layers_[i], rows, caches_[i].get(), workspace_, backend_));
    Observe(layers_[i], *hidden, rows, spec_.config.hidden_size);
  }
  return DropNonFinite(rows, active);
}

absl::Status Stage::DropNonFinite(int64_t rows, std::vector<ActiveSlice>* active) {
  const int64_t features = spec_.config.hidden_size;
  const ModuleWeights* last = layers_.empty() ? embedding_ : layers_.back();
  const Buffer* left = workspace_->hidden.get();
  int64_t bad_row = 0;
  GANTRY_ASSIGN_OR_RETURN(bool finite, backend_->AllFinite(*left, rows, features, &bad_row));
  if (finite) return absl::OkStatus();
  std::vector<ActiveSlice> healthy;
  for (const ActiveSlice& item : *active) {
    bool slice_finite = true;
    for (int64_t row = item.row; slice_finite && row < item.row + item.rows; ++row) {
      if (row < bad_row) continue;
      // One row at a time, moved to where AllFinite looks first.
      const int32_t from = static_cast<int32_t>(row);
      GANTRY_RETURN_IF_ERROR(backend_->GatherRows(*left, absl::MakeConstSpan(&from, 1), features,
                                                  workspace_->normed.get()));
      int64_t unused = 0;
      GANTRY_ASSIGN_OR_RETURN(slice_finite,
                              backend_->AllFinite(*workspace_->normed, 1, features, &unused));
    }
    if (slice_finite) {
      healthy.push_back(item);
    } else {
      Fail(item.slice, absl::StrCat("non-finite activations after ", last->spec.name, " on worker ",
                                    spec_.worker));
    }
  }
  *active = std::move(healthy);
  return absl::OkStatus();
}

absl::Status Stage::GatherLogitRows(std::vector<ActiveSlice>* active) {
  std::vector<int32_t> rows;
  for (const ActiveSlice& item : *active) {
    const int64_t end = item.row + item.rows;
    for (int64_t row = end - item.slice->logit_rows(); row < end; ++row) {
      rows.push_back(static_cast<int32_t>(row));
    }
  }
  NumberRows([](const v1::SequenceSlice& slice) { return slice.logit_rows(); }, active);
  if (rows.empty()) return absl::OkStatus();
  return backend_->GatherRows(*workspace_->hidden, rows, spec_.config.hidden_size,
                              workspace_->rows.get());
}

absl::Status Stage::RunHead(StepFrame* frame, const std::vector<ActiveSlice>& active) {
  const int64_t count = CountRows(active);
  const float eps = static_cast<float>(spec_.config.rms_norm_eps);
  const int64_t hidden_size = spec_.config.hidden_size;
  if (head_ == nullptr) {
    const Buffer* rows = workspace_->rows.get();
    if (norm_ != nullptr && count > 0) {
      rows = workspace_->normed.get();
      GANTRY_RETURN_IF_ERROR(backend_->RmsNorm(*workspace_->rows, *norm_->norm, eps, count,
                                               hidden_size, workspace_->normed.get()));
      Observe(norm_, *rows, count, hidden_size);
    }
    return SendRows(*rows, active, frame);
  }
  std::vector<ChosenTokens> chosen;
  if (count > 0) {
    LinearArgs args;
    args.x = workspace_->rows.get();
    args.norm_weight = norm_ == nullptr ? nullptr : norm_->norm.get();
    args.norm_eps = eps;
    args.weight = head_->matrix.matrix.get();
    args.bias = head_->matrix.bias.get();
    args.out = workspace_->logits.get();
    args.tokens = count;
    GANTRY_RETURN_IF_ERROR(backend_->Linear(args));
    Observe(head_, *workspace_->logits, count, spec_.config.vocab_size);
    GANTRY_ASSIGN_OR_RETURN(
        chosen, ChooseTokens(active, *workspace_->logits, spec_.config.vocab_size, backend_));
  }
  v1::StepHeader& header = frame->header;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i].finite) {
      *header.add_results() = std::move(chosen[i].result);
    } else {
      Fail(active[i].slice, absl::StrCat("non-finite logits on worker ", spec_.worker));
    }
  }
  for (const v1::SequenceSlice& slice : header.slices()) {
    if (slice.error().empty()) continue;
    v1::SliceResult* result = header.add_results();
    result->set_sequence(slice.sequence());
    result->set_error(slice.error());
  }
  // The coordinator knows what it has sent.
  header.clear_slices();
  header.clear_released();
  return SendRows(*workspace_->rows, {}, frame);
}

absl::Status Stage::UploadInput(const StepFrame& frame, absl::Span<const ActiveSlice> active,
                                Buffer* to) {
  std::vector<RowRun> runs;
  for (const ActiveSlice& item : active) AppendRun({item.payload_row, item.rows}, &runs);
  return UploadRows(frame.payload, runs, row_bytes(), backend_, to);
}

absl::Status Stage::SendRows(const Buffer& rows, absl::Span<const ActiveSlice> active,
                             StepFrame* frame) {
  std::vector<RowRun> runs;
  for (const ActiveSlice& item : active) AppendRun({item.row, item.rows}, &runs);
  const int64_t count = CountRows(active);
  frame->header.set_rows(static_cast<uint32_t>(count));
  frame->header.set_cols(count == 0 ? 0 : static_cast<uint32_t>(spec_.config.hidden_size));
  frame->header.set_dtype(count == 0 ? "" : std::string(DTypeName(limits_.dtype)));
  return DownloadRows(rows, runs, row_bytes(), backend_, frame);
}

}  // namespace gantry
