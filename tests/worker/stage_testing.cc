#include "tests/worker/stage_testing.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>

#include "gtest/gtest.h"
#include "kernels/cpu/cpu_backend.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/reference/quantize.h"
#include "kernels/reference/reference_backend.h"
#include "model/safetensors.h"

namespace gantry {
namespace {

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << value.status() << std::endl;
    std::abort();
  }
  return *std::move(value);
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << std::endl;
  std::abort();
}

// A source's weights, rounded to a type first.
class RoundedSource : public WeightSource {
 public:
  RoundedSource(const WeightSource& source, DType dtype) : source_(source), dtype_(dtype) {}

  absl::Status Read(const TensorSpec& tensor, int64_t first, int64_t count,
                    float* out) const override {
    const absl::Status read = source_.Read(tensor, first, count, out);
    for (int64_t i = 0; i < count; ++i) out[i] = RoundTo(dtype_, out[i]);
    return read;
  }
  absl::StatusOr<MatrixPart> Part(const TensorSpec& tensor, const TensorScheme&) const override {
    MatrixPart part;
    part.rows = tensor.shape[0];
    part.read = [this, &tensor, cols = tensor.shape[1]](int64_t first, int64_t count, void* out) {
      return Read(tensor, first * cols, count * cols, static_cast<float*>(out));
    };
    return part;
  }
  uint64_t TensorBytes(const TensorSpec& tensor) const override {
    return source_.TensorBytes(tensor);
  }

 private:
  const WeightSource& source_;
  const DType dtype_;
};

ModuleFormat FormatOf(const ModuleSpec& spec, const TestPipeline::Options& options) {
  const MatrixFormat& layers = options.layers;
  if (spec.kind == ModuleKind::kLayer) return {layers, layers, layers, layers, {}};
  return {{}, {}, {}, {}, options.others};
}

}  // namespace

v1::SequenceParams GreedyParams(uint32_t prompt_tokens) {
  v1::SequenceParams params;
  params.set_top_p(1);
  params.set_repetition_penalty(1);
  params.set_prompt_tokens(prompt_tokens);
  return params;
}

std::unique_ptr<Backend> MakeTestBackend(const std::string& name) {
  if (name == "reference") return MakeReferenceBackend();
  if (name == "cuda") return Must(MakeCudaBackend(0));
  return Must(MakeCpuBackend({2, ""}));
}

TestPipeline::TestPipeline(const std::string& folder, const Options& options) {
  checkpoint_ = Must(Checkpoint::Open(folder));
  config_ = checkpoint_->config();
  const std::unique_ptr<WeightSource> source = MakeCheckpointSource(checkpoint_.get());
  if (options.loaded_as == DType::kF32) {
    Build(*source, options);
  } else {
    Build(RoundedSource(*source, options.loaded_as), options);
  }
}

TestPipeline::TestPipeline(const ModelConfig& config, const Options& options) : config_(config) {
  Build(*MakeDummySource(7), options);
}

void TestPipeline::Build(const WeightSource& source, const Options& options) {
  modules_ = ListModules(config_);
  backend_ = MakeTestBackend(options.backend);
  if (options.backend == "cuda") {
    const absl::Status configured = backend_->Configure({options.loaded_as, false});
    if (!configured.ok()) ADD_FAILURE() << configured;
  }
  shape_.context = options.num_blocks * options.block_size;
  shape_.num_blocks = options.num_blocks;
  shape_.block_size = options.block_size;
  shape_.max_step_tokens = options.max_step_tokens;
  shape_.max_step_rows = options.max_step_rows;
  workspace_ = Must(Workspace::Create(config_, shape_, true, backend_.get()));
  for (int64_t block = 0; block < shape_.num_blocks; ++block) {
    // Neither ascending nor in order.
    free_blocks_.push_back(static_cast<uint32_t>((block * 37 + 11) % shape_.num_blocks));
  }
  std::sort(free_blocks_.begin(), free_blocks_.end());
  free_blocks_.erase(std::unique(free_blocks_.begin(), free_blocks_.end()), free_blocks_.end());
  std::reverse(free_blocks_.begin(), free_blocks_.end());
  std::rotate(free_blocks_.begin(), free_blocks_.begin() + 5, free_blocks_.end());

  WeightMap loaded;
  auto bytes_read = [](uint64_t) { return absl::OkStatus(); };
  std::vector<size_t> begins = options.cuts;
  begins.insert(begins.begin(), 0);
  for (size_t i = 0; i < begins.size(); ++i) {
    const size_t end = i + 1 < begins.size() ? begins[i + 1] : modules_.size();
    StageSpec spec;
    spec.epoch = 1;
    spec.index = static_cast<uint32_t>(i);
    spec.worker = "w" + std::to_string(i);
    spec.config = config_;
    spec.shape = shape_;
    for (size_t m = begins[i]; m < end; ++m) {
      loaded[modules_[m].name] = Must(LoadModule(modules_[m], FormatOf(modules_[m], options),
                                                 source, loaded, backend_.get(), bytes_read));
      spec.modules.push_back(loaded[modules_[m].name]);
    }
    stages_.push_back(Must(Stage::Create(std::move(spec), workspace_.get(), backend_.get())));
  }
}

v1::SequenceSlice TestPipeline::MakeSlice(uint64_t sequence, const std::vector<int32_t>& token_ids,
                                          size_t start, size_t count, uint32_t logit_rows,
                                          const v1::SequenceParams& params) {
  v1::SequenceSlice slice;
  slice.set_sequence(sequence);
  slice.set_start(static_cast<uint32_t>(start));
  for (size_t i = start; i < start + count; ++i) slice.add_token_ids(token_ids[i]);
  std::vector<uint32_t>& blocks = blocks_[sequence];
  while (blocks.size() * shape_.block_size < start + count) {
    if (free_blocks_.empty()) std::abort();
    blocks.push_back(free_blocks_.back());
    slice.add_new_blocks(free_blocks_.back());
    free_blocks_.pop_back();
  }
  if (start == 0) *slice.mutable_params() = params;
  slice.set_logit_rows(logit_rows);
  slice.set_following_token(-1);
  slice.set_rope_length(static_cast<uint32_t>(start + count));
  return slice;
}

void TestPipeline::Release(uint64_t sequence) {
  released_.push_back(sequence);
  free_blocks_.insert(free_blocks_.end(), blocks_[sequence].begin(), blocks_[sequence].end());
  blocks_.erase(sequence);
}

v1::StepHeader TestPipeline::RunStep(const std::vector<v1::SequenceSlice>& slices) {
  StepFrame frame;
  frame.header.set_epoch(1);
  frame.header.set_step(next_step_++);
  for (const v1::SequenceSlice& slice : slices) *frame.header.add_slices() = slice;
  for (const uint64_t sequence : released_) frame.header.add_released(sequence);
  released_.clear();
  for (const std::unique_ptr<Stage>& stage : stages_) {
    // As it comes out of a socket.
    StepFrame received;
    Must(DecodeStepFrame(EncodeStepFrame(frame), &received));
    Must(CheckFrame(received, stage->limits()));
    Must(stage->Run(&received));
    frame = std::move(received);
  }
  return frame.header;
}

std::vector<std::vector<int32_t>> TestPipeline::Generate(
    const std::vector<std::vector<int32_t>>& prompts, size_t chunk, size_t new_tokens) {
  std::vector<std::vector<int32_t>> tokens = prompts;
  std::vector<size_t> done(prompts.size(), 0);
  while (true) {
    std::vector<v1::SequenceSlice> slices;
    for (size_t i = 0; i < prompts.size(); ++i) {
      const size_t count = std::min(chunk, tokens[i].size() - done[i]);
      if (count == 0 || tokens[i].size() == prompts[i].size() + new_tokens) continue;
      v1::SequenceParams params = GreedyParams(static_cast<uint32_t>(prompts[i].size()));
      params.set_min_new_tokens(static_cast<uint32_t>(new_tokens));
      for (const int32_t id : config_.eos_token_ids) params.add_end_token_ids(id);
      const bool last = done[i] + count == tokens[i].size();
      slices.push_back(MakeSlice(i + 1, tokens[i], done[i], count, last ? 1 : 0, params));
      done[i] += count;
    }
    if (slices.empty()) break;
    const v1::StepHeader header = RunStep(slices);
    for (const v1::SliceResult& result : header.results()) {
      if (!result.error().empty()) {
        std::cerr << result.error() << std::endl;
        std::abort();
      }
      tokens[result.sequence() - 1].push_back(result.tokens(0).token().token_id());
    }
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    Release(i + 1);
    tokens[i].erase(tokens[i].begin(), tokens[i].begin() + prompts[i].size());
  }
  return tokens;
}

std::map<std::string, std::vector<float>> TestPipeline::Observe(const std::vector<int32_t>& prompt,
                                                                size_t chunk) {
  std::map<std::string, std::vector<float>> left;
  for (const std::unique_ptr<Stage>& stage : stages_) {
    stage->set_observer(
        [&](const std::string& module, const Buffer& rows, int64_t count, int64_t columns) {
          // The logits are floats everywhere.
          const DType dtype = module == "lm_head" ? DType::kF32 : backend_->activation_dtype();
          std::vector<char> bytes(count * columns * DTypeSize(dtype));
          const absl::Status read = backend_->Download(rows, 0, absl::MakeSpan(bytes));
          if (!read.ok()) ADD_FAILURE() << read;
          std::vector<float>& values = left[module];
          values.resize(values.size() + count * columns);
          ToFloat(dtype, bytes.data(), count * columns,
                  values.data() + values.size() - count * columns);
        });
  }
  v1::SequenceParams params = GreedyParams(static_cast<uint32_t>(prompt.size()));
  params.set_score(true);
  for (size_t at = 0; at < prompt.size(); at += chunk) {
    const size_t count = std::min(chunk, prompt.size() - at);
    RunStep({MakeSlice(1, prompt, at, count, static_cast<uint32_t>(count), params)});
  }
  Release(1);
  for (const std::unique_ptr<Stage>& stage : stages_) stage->set_observer(nullptr);
  return left;
}

double RelativeError(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    norm += double{b[i]} * b[i];
  }
  return std::sqrt(difference / norm);
}

std::vector<float> ReadTensorFile(const std::string& path, const std::string& name) {
  const File file = Must(File::Open(path));
  const SafetensorsHeader header = Must(ReadSafetensorsHeader(file));
  for (const SafetensorsEntry& entry : header.entries) {
    if (entry.name != name) continue;
    std::vector<float> values((entry.end - entry.begin) / sizeof(float));
    Must(file.ReadAt(header.data_begin + entry.begin, entry.end - entry.begin, values.data()));
    return values;
  }
  std::cerr << path << " has no " << name << std::endl;
  std::abort();
}

std::string TinyConfigJson() {
  return R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 96,
             "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
             "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
             "rms_norm_eps": 1e-5, "eos_token_id": 2, "tie_word_embeddings": true,
             "hidden_act": "silu"})";
}

ModelConfig TinyConfig() {
  return Must(ParseModelConfig(Must(ParseJson(TinyConfigJson(), "tiny")), "tiny"));
}

}  // namespace gantry
