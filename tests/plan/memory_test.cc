#include "plan/memory.h"

#include "gtest/gtest.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

ModelConfig TinyLlama() {
  const Json json = Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000,
    "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
    "num_attention_heads": 32, "num_key_value_heads": 4, "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5, "hidden_act": "silu"})");
  return ParseModelConfig(json, "test").value();
}

TEST(MemoryTest, WeightsAreTheParametersOfTheModel) {
  const ModelConfig config = TinyLlama();
  uint64_t bytes = 0;
  for (const ModuleSpec& module : ListModules(config)) {
    bytes += ModuleWeightBytes(module, Scheme::kFp32);
  }
  // TinyLlama-1.1B has 1,100,048,384 parameters; no matrix of it has rows that need padding.
  EXPECT_EQ(bytes, 4 * uint64_t{1100048384});
}

TEST(MemoryTest, RowsArePaddedToPanels) {
  LinearSpec linear;
  linear.rows = 65;
  linear.cols = 3;
  EXPECT_EQ(LinearBytes(linear, Scheme::kFp32), 128u * 3 * 4);
  linear.biases.push_back({"bias", {65}});
  EXPECT_EQ(LinearBytes(linear, Scheme::kFp32), 128u * 3 * 4 + 65 * 4);
}

TEST(MemoryTest, KeysAndValues) {
  ServingShape shape;
  shape.num_blocks = 10;
  shape.block_size = 16;
  EXPECT_EQ(KvCacheBytes(TinyLlama(), shape), 2u * 10 * 16 * 4 * 64 * 4);
}

TEST(MemoryTest, WorkspaceGrowsWithTheStep) {
  const ModelConfig config = TinyLlama();
  ServingShape small;
  small.max_step_tokens = 1;
  small.max_step_rows = 1;
  ServingShape large = small;
  large.max_step_tokens = 512;
  EXPECT_GT(WorkspaceBytes(config, large, false), WorkspaceBytes(config, small, false));
  EXPECT_GE(WorkspaceBytes(config, small, true), WorkspaceBytes(config, small, false) + 32000 * 4);
}

}  // namespace
}  // namespace gantry
