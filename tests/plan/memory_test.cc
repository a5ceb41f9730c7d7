#include "plan/memory.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "plan/known_models/known_models.h"
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
    bytes += ModuleWeightBytes(module, {});
  }
  // TinyLlama-1.1B has 1,100,048,384 parameters; no matrix of it has rows that need padding.
  EXPECT_EQ(bytes, 4 * uint64_t{1100048384});
}

TEST(MemoryTest, RowsArePaddedToPanels) {
  LinearSpec linear;
  linear.rows = 65;
  linear.cols = 3;
  EXPECT_EQ(LinearBytes(linear, {}), 128u * 3 * 4);
  linear.biases.push_back({"bias", {65}});
  EXPECT_EQ(LinearBytes(linear, {}), 128u * 3 * 4 + 65 * 4);
}

TEST(MemoryTest, SchemesTakeWhatTheirCodesAndStatisticsDo) {
  constexpr int64_t kRows = 4096;
  constexpr int64_t kCols = 14336;
  constexpr double kCount = static_cast<double>(kRows) * kCols;
  const auto bits = [](const TensorScheme& scheme) {
    return 8 * static_cast<double>(MatrixBytes(kRows, kCols, scheme)) / kCount;
  };
  EXPECT_EQ(bits({Scheme::kFp32}), 32);
  EXPECT_EQ(bits({Scheme::kBf16}), 16);
  EXPECT_EQ(bits({Scheme::kFp16}), 16);
  EXPECT_EQ(MatrixBytes(kRows, kCols, {Scheme::kInt8}), kRows * kCols + 4 * kRows);
  EXPECT_NEAR(bits({Scheme::kNf4}), 4.5, 0.001);
  EXPECT_NEAR(bits({Scheme::kFp4, false, 128}), 4.25, 0.001);
  EXPECT_NEAR(bits({Scheme::kNf4, true}), 4.127, 0.001);
}

TEST(MemoryTest, QuantisedBytesAreUpperBounds) {
  // What bitsandbytes stores of shapes that do not divide, counted one by one.
  for (const int64_t rows : {1, 63, 65, 100}) {
    for (const int64_t cols : {1, 2, 33, 64, 100, 129}) {
      for (const bool double_quant : {false, true}) {
        const int64_t count = rows * cols;
        const int64_t blocks = (count + 63) / 64;
        const int64_t statistics =
            double_quant ? blocks + 4 * ((blocks + 255) / 256) + 4 + 4 * 256 : 4 * blocks;
        EXPECT_GE(MatrixBytes(rows, cols, {Scheme::kNf4, double_quant}),
                  (count + 1) / 2 + statistics)
            << rows << " x " << cols;
      }
      EXPECT_GE(MatrixBytes(rows, cols, {Scheme::kInt8}), rows * cols + 4 * rows);
    }
  }
}

TEST(MemoryTest, EveryPartHasItsOwnNestedStatistics) {
  const TensorScheme scheme = {Scheme::kNf4, true};
  EXPECT_GE(MatrixBytes(192, 64, scheme, 3), MatrixBytes(192, 64, scheme, 1) + 2 * 4 * 257);
}

TEST(MemoryTest, KeysAndValues) {
  ServingShape shape;
  shape.num_blocks = 10;
  shape.block_size = 16;
  EXPECT_EQ(KvCacheBytes(TinyLlama(), shape), 2u * 10 * 16 * 4 * 64 * 4);
  EXPECT_EQ(KvCacheBytes(TinyLlama(), shape, DType::kBF16), 2u * 10 * 16 * 4 * 64 * 2);
}

TEST(MemoryTest, AGpusWorkspaceHasItsScratch) {
  const ModelConfig config = TinyLlama();
  ServingShape shape;
  shape.max_step_tokens = 512;
  shape.max_step_rows = 64;
  WeightFormat format;
  format.dtype = DType::kBF16;
  const uint64_t plain = GpuScratchBytes(config, shape, format);
  // cuBLAS, and 64 partial sums of 32 heads of 64 for 64 rows.
  EXPECT_GE(plain, (uint64_t{64} << 20) + 32 * 64 * 64 * 64 * 4);
  format.quantization.load_in_4bit = true;
  // The largest matrix is gate and up, [2 * 5632, 2048].
  EXPECT_EQ(GpuScratchBytes(config, shape, format) - plain, 2u * 5632 * 2048 * 4);
  const uint64_t scratch = GpuScratchBytes(config, shape, format);
  const uint64_t halves = GpuWorkspaceBytes(config, shape, format, false) - scratch;
  format.dtype = DType::kF32;
  const uint64_t floats = GpuWorkspaceBytes(config, shape, format, false) - scratch;
  EXPECT_EQ(floats, WorkspaceBytes(config, shape, false));
  EXPECT_LT(halves, floats * 6 / 10);
  EXPECT_EQ(GpuWorkspaceBytes(config, shape, format, true) -
                GpuWorkspaceBytes(config, shape, format, false),
            64u * 32000 * 4);
}

TEST(MemoryTest, ALargeMatrixIsDequantisedInPieces) {
  ModelConfig config = TinyLlama();
  config.hidden_size = 8192;
  config.intermediate_size = 28672;
  ServingShape shape;
  shape.max_step_tokens = 1;
  WeightFormat format;
  const uint64_t plain = GpuScratchBytes(config, shape, format);
  format.quantization.load_in_8bit = true;
  EXPECT_EQ(GpuScratchBytes(config, shape, format) - plain, kDequantisedBytes);
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

ModelTree Tree(const std::string& name) {
  const absl::StatusOr<const KnownModel*> model = FindKnownModel(name);
  EXPECT_THAT(model, IsOk());
  absl::StatusOr<ModelTree> tree = BuildModelTree((*model)->config, name);
  EXPECT_THAT(tree, IsOk());
  return *std::move(tree);
}

TEST(MemoryTest, TheTreeCountsWhatTheWorkersHold) {
  const ModelConfig config = TinyLlama();
  const ModelTree tree = Tree("TinyLlama/TinyLlama-1.1B-Chat-v1.0");
  const SchemeRules rules(tree, WeightFormat{});
  uint64_t held = 0;
  for (const ModuleSpec& module : ListModules(config)) {
    held += ModuleWeightBytes(module, {});
  }
  uint64_t counted = 0;
  for (const PlanUnit& unit : tree.units) {
    if (unit.kind != UnitKind::kRotary) {
      counted += UnitWeightBytes(tree, unit, rules, MemoryKind::kCpu);
    }
  }
  EXPECT_EQ(counted, held);

  ServingShape serving;
  serving.num_blocks = 128;
  serving.max_step_tokens = 512;
  serving.max_step_rows = 1;
  SequenceShape sequence;
  sequence.context = 2048;
  sequence.kv_dtype = DType::kF32;
  EXPECT_EQ(UnitKvBytes(tree, tree.units[2], sequence), KvCacheBytes(config, serving));
  EXPECT_EQ(ActivationBytes(tree, sequence, true), WorkspaceBytes(config, serving, true));
  EXPECT_EQ(ActivationBytes(tree, sequence, false), WorkspaceBytes(config, serving, false));
  WeightFormat format;
  format.dtype = DType::kF16;
  format.quantization.load_in_8bit = true;
  EXPECT_EQ(GpuActivationBytes(tree, sequence, format, true),
            GpuWorkspaceBytes(config, serving, format, true));
}

TEST(KvBytesTest, OfTheHeadsThatHaveKeys) {
  SequenceShape shape;
  shape.batch = 4;
  shape.context = 4096;
  const ModelTree llama = Tree("meta-llama/Meta-Llama-3-8B");
  // 2 * 8 heads * 128 * 2 bytes * 4096 tokens * 4 sequences.
  EXPECT_EQ(UnitKvBytes(llama, llama.units[2], shape), 67'108'864);
  EXPECT_EQ(UnitKvBytes(llama, llama.units[0], shape), 0);
  shape.kv_dtype = DType::kF32;
  EXPECT_EQ(UnitKvBytes(llama, llama.units[2], shape), 134'217'728);

  const ModelTree t5 = Tree("google/flan-t5-base");
  shape.encoder_tokens = 512;
  uint64_t sum = 0;
  for (const PlanUnit& unit : t5.units) sum += UnitKvBytes(t5, unit, shape);
  // Twelve decoder layers: 2 * 768 * 4 bytes of the sequence's tokens and the encoder's.
  EXPECT_EQ(sum, 12 * 2 * 768 * 4 * (4096 + 512) * 4);
}

TEST(KvBytesTest, DoesNotWrap) {
  const ModelTree tree = Tree("meta-llama/Meta-Llama-3-8B");
  SequenceShape shape;
  shape.batch = int64_t{1} << 40;
  shape.context = int64_t{1} << 40;
  EXPECT_EQ(UnitKvBytes(tree, tree.units[2], shape), std::numeric_limits<uint64_t>::max());
  shape.step_tokens = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(ActivationBytes(tree, shape, true), std::numeric_limits<uint64_t>::max());
}

}  // namespace
}  // namespace gantry
