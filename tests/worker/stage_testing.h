#ifndef GANTRY_TESTS_WORKER_STAGE_TESTING_H_
#define GANTRY_TESTS_WORKER_STAGE_TESTING_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "proto/step_frame.h"
#include "worker/stage.h"
#include "worker/weight_source.h"
#include "worker/workspace.h"

namespace gantry {

// Parameters that choose greedily.
v1::SequenceParams GreedyParams(uint32_t prompt_tokens);

// "reference" or "cpu", with two threads.
std::unique_ptr<Backend> MakeTestBackend(const std::string& name);

// A model whose modules are cut into stages that run one after the other in this process, and a
// little coordinator that numbers the blocks.
class TestPipeline {
 public:
  struct Options {
    std::string backend = "cpu";
    // Modules at which another stage begins: {} is one stage.
    std::vector<size_t> cuts = {};
    int64_t block_size = 16;
    int64_t num_blocks = 64;
    int64_t max_step_tokens = 256;
    int64_t max_step_rows = 256;
    // How the matrices of the layers are stored, and the embedding and lm_head.
    MatrixFormat layers = {};
    MatrixFormat others = {};
    // The type that all weights are rounded to before, as transformers does with its `dtype`.
    DType loaded_as = DType::kF32;
  };
  // The model in `folder`; aborts the test program when it does not load.
  TestPipeline(const std::string& folder, const Options& options);
  // Dummy weights of `config`.
  TestPipeline(const ModelConfig& config, const Options& options);

  const ModelConfig& config() const { return config_; }
  const std::vector<ModuleSpec>& modules() const { return modules_; }
  Stage& stage(size_t index) { return *stages_[index]; }
  size_t num_stages() const { return stages_.size(); }
  const Workspace& workspace() const { return *workspace_; }
  Backend* backend() { return backend_.get(); }

  // The slice with the next `count` of the sequence's tokens, and the blocks that they need.
  v1::SequenceSlice MakeSlice(uint64_t sequence, const std::vector<int32_t>& token_ids,
                              size_t start, size_t count, uint32_t logit_rows,
                              const v1::SequenceParams& params);
  void Release(uint64_t sequence);  // in the next step
  // One step through all stages; checks each frame as a worker does.
  v1::StepHeader RunStep(const std::vector<v1::SequenceSlice>& slices);

  // The greedy continuations of the prompts, run together in chunks of up to `chunk` tokens each.
  // End tokens are not chosen.
  std::vector<std::vector<int32_t>> Generate(const std::vector<std::vector<int32_t>>& prompts,
                                             size_t chunk, size_t new_tokens);
  // What the module leaves for the one prompt, [rows, columns], the rows of all chunks joined. For
  // lm_head the rows are those of all tokens.
  std::map<std::string, std::vector<float>> Observe(const std::vector<int32_t>& prompt,
                                                    size_t chunk);

 private:
  void Build(const WeightSource& source, const Options& options);

  ModelConfig config_;
  std::vector<ModuleSpec> modules_;
  ServingShape shape_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Workspace> workspace_;
  std::vector<std::unique_ptr<Stage>> stages_;
  uint64_t next_step_ = 1;
  std::vector<uint32_t> free_blocks_;
  std::map<uint64_t, std::vector<uint32_t>> blocks_;
  std::vector<uint64_t> released_;
};

// ||a - b|| / ||b||
double RelativeError(const std::vector<float>& a, const std::vector<float>& b);

// A tensor of F32 from a safetensors file.
std::vector<float> ReadTensorFile(const std::string& path, const std::string& name);

// A small Llama, for dummy weights.
ModelConfig TinyConfig();
std::string TinyConfigJson();

}  // namespace gantry

#endif  // GANTRY_TESTS_WORKER_STAGE_TESTING_H_
