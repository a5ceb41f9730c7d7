#include "worker/stage.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/decoder_layer.h"

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

void AddTokenIds(absl::Span<const ActiveSlice> active, StepLayout* layout) {
  for (const ActiveSlice& item : active) {
    layout->token_ids.insert(layout->token_ids.end(), item.slice->token_ids().begin(),
                             item.slice->token_ids().end());
  }
}

void AddLogitRows(absl::Span<const ActiveSlice> active, StepLayout* layout) {
  for (const ActiveSlice& item : active) {
    const int64_t end = item.row + item.rows;
    for (int64_t row = end - item.slice->logit_rows(); row < end; ++row) {
      layout->logit_rows.push_back(static_cast<int32_t>(row));
    }
  }
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
  limits_.hidden_size = spec_.config.hidden_size;
  limits_.vocab_size = spec_.config.vocab_size;
  limits_.context = spec_.shape.context;
  limits_.max_step_tokens = spec_.shape.max_step_tokens;
  limits_.max_step_rows = std::min(spec_.shape.max_step_rows, spec_.shape.max_step_tokens);
}

Stage::~Stage() { backend_->Forget(this); }

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
                              spec_.config.num_kv_heads, spec_.config.head_dim, spec_.kv_dtype};
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
  return Compute(frame, active);
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
    if (admitted.ok() && item.sequence->params.score() && !slice.allowed_tokens().empty()) {
      admitted = absl::InvalidArgumentError("allowed_tokens: expected none to score");
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

absl::Status Stage::Compute(StepFrame* frame, const std::vector<ActiveSlice>& active) {
  const bool runs_layers = limits_.input != StageLimits::Input::kLogitRows;
  std::vector<ActiveSlice> leaving = active;
  StepLayout layout;
  if (runs_layers) {
    layout = layouts_.Make(active);
    if (embedding_ != nullptr) AddTokenIds(active, &layout);
    if (ends_layers_) {
      AddLogitRows(active, &layout);
      NumberRows([](const v1::SequenceSlice& slice) { return slice.logit_rows(); }, &leaving);
    }
  }
  GANTRY_RETURN_IF_ERROR(backend_->BeginStep(layout));
  const absl::Status done = ComputeStep(frame, active, std::move(leaving));
  const absl::Status ended = backend_->EndStep();
  return done.ok() ? ended : done;
}

absl::Status Stage::ComputeStep(StepFrame* frame, const std::vector<ActiveSlice>& active,
                                std::vector<ActiveSlice> leaving) {
  const bool runs_layers = limits_.input != StageLimits::Input::kLogitRows;
  const int64_t rows = CountRows(active);
  const int64_t leaving_rows = CountRows(leaving);
  if (rows > 0 && embedding_ == nullptr) {
    Buffer* const input = runs_layers ? workspace_->hidden.get() : workspace_->rows.get();
    GANTRY_RETURN_IF_ERROR(UploadInput(*frame, active, input));
  }
  if (rows > 0 && runs_layers) {
    const auto enqueue = [&] {
      const absl::Status layers = RunLayers(rows);
      return layers.ok() ? RunHead(leaving_rows) : layers;
    };
    // An observer wants to see every step.
    GANTRY_RETURN_IF_ERROR(observer_ == nullptr ? backend_->Enqueue(this, enqueue) : enqueue());
  } else {
    GANTRY_RETURN_IF_ERROR(RunHead(leaving_rows));
  }
  std::vector<ChosenTokens> chosen;
  if (head_ != nullptr && leaving_rows > 0) {
    GANTRY_ASSIGN_OR_RETURN(
        chosen, ChooseTokens(leaving, *workspace_->logits, spec_.config.vocab_size, backend_));
  }
  if (rows > 0 && runs_layers) GANTRY_RETURN_IF_ERROR(FailNonFinite(active));
  if (head_ != nullptr) return SendResults(leaving, std::move(chosen), frame);
  leaving.erase(
      std::remove_if(leaving.begin(), leaving.end(),
                     [](const ActiveSlice& item) { return !item.slice->error().empty(); }),
      leaving.end());
  const Buffer* sent = !ends_layers_ && runs_layers ? workspace_->hidden.get()
                       : norm_ != nullptr           ? workspace_->normed.get()
                                                    : workspace_->rows.get();
  return SendRows(*sent, leaving, frame);
}

absl::Status Stage::RunLayers(int64_t rows) {
  Buffer* const hidden = workspace_->hidden.get();
  const int64_t hidden_size = spec_.config.hidden_size;
  if (embedding_ != nullptr) {
    GANTRY_RETURN_IF_ERROR(backend_->Embed(*embedding_->matrix.matrix, hidden));
    Observe(embedding_, *hidden, rows, hidden_size);
  }
  for (size_t i = 0; i < layers_.size(); ++i) {
    GANTRY_RETURN_IF_ERROR(
        RunDecoderLayer(spec_.config, *layers_[i], rows, caches_[i].get(), workspace_, backend_));
    Observe(layers_[i], *hidden, rows, hidden_size);
  }
  return backend_->NoteNonFinite(*hidden, hidden_size);
}

absl::Status Stage::RunHead(int64_t rows) {
  if (rows == 0) return absl::OkStatus();
  const float eps = static_cast<float>(spec_.config.rms_norm_eps);
  const int64_t hidden_size = spec_.config.hidden_size;
  if (ends_layers_) {
    GANTRY_RETURN_IF_ERROR(
        backend_->GatherLogitRows(*workspace_->hidden, hidden_size, workspace_->rows.get()));
  }
  if (head_ == nullptr) {
    if (norm_ == nullptr) return absl::OkStatus();
    Buffer* const normed = workspace_->normed.get();
    GANTRY_RETURN_IF_ERROR(
        backend_->RmsNorm(*workspace_->rows, *norm_->norm, eps, rows, hidden_size, normed));
    Observe(norm_, *normed, rows, hidden_size);
    return absl::OkStatus();
  }
  LinearArgs args;
  args.x = workspace_->rows.get();
  args.norm_weight = norm_ == nullptr ? nullptr : norm_->norm.get();
  args.norm_eps = eps;
  args.weight = head_->matrix.matrix.get();
  args.bias = head_->matrix.bias.get();
  args.out = workspace_->logits.get();
  args.float_out = true;
  args.tokens = rows;
  GANTRY_RETURN_IF_ERROR(backend_->Linear(args));
  Observe(head_, *workspace_->logits, rows, spec_.config.vocab_size);
  return absl::OkStatus();
}

absl::Status Stage::FailNonFinite(const std::vector<ActiveSlice>& active) {
  GANTRY_ASSIGN_OR_RETURN(const std::vector<int32_t> rows, backend_->NonFiniteRows());
  const ModuleWeights* last = layers_.empty() ? embedding_ : layers_.back();
  for (const ActiveSlice& item : active) {
    const auto row = std::lower_bound(rows.begin(), rows.end(), item.row);
    if (row == rows.end() || *row >= item.row + item.rows) continue;
    Fail(item.slice, absl::StrCat("non-finite activations after ", last->spec.name, " on worker ",
                                  spec_.worker));
  }
  return absl::OkStatus();
}

absl::Status Stage::SendResults(const std::vector<ActiveSlice>& leaving,
                                std::vector<ChosenTokens> chosen, StepFrame* frame) {
  v1::StepHeader& header = frame->header;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (!leaving[i].slice->error().empty()) continue;
    if (chosen[i].finite) {
      *header.add_results() = std::move(chosen[i].result);
    } else {
      Fail(leaving[i].slice, absl::StrCat("non-finite logits on worker ", spec_.worker));
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
  const DType own = backend_->activation_dtype();
  const DType sent = DTypeFromSafetensors(frame.header.dtype()).value_or(own);
  if (sent == own) return UploadRows(frame.payload, runs, row_bytes(), backend_, to);
  return backend_->Upload(
      converter_.Convert(frame.payload, runs, spec_.config.hidden_size, sent, own), to, 0);
}

absl::Status Stage::SendRows(const Buffer& rows, absl::Span<const ActiveSlice> active,
                             StepFrame* frame) {
  std::vector<RowRun> runs;
  for (const ActiveSlice& item : active) AppendRun({item.row, item.rows}, &runs);
  const int64_t count = CountRows(active);
  frame->header.set_rows(static_cast<uint32_t>(count));
  frame->header.set_cols(count == 0 ? 0 : static_cast<uint32_t>(spec_.config.hidden_size));
  frame->header.set_dtype(count == 0 ? "" : std::string(DTypeName(backend_->activation_dtype())));
  return DownloadRows(rows, runs, row_bytes(), backend_, frame);
}

}  // namespace gantry
