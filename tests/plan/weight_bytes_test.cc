#include "plan/weight_bytes.h"

#include <string>

#include "plan/known_models/known_models.h"
#include "tests/status_matchers.h"

// What the planner says of weights against what was measured.
namespace gantry {
namespace {

constexpr char kTinyLlama[] = "TinyLlama/TinyLlama-1.1B-Chat-v1.0";
constexpr char kPhi3[] = "microsoft/Phi-3-mini-4k-instruct";
constexpr char kLlama3[] = "meta-llama/Meta-Llama-3-8B";

ModelTree Tree(const std::string& name) {
  const absl::StatusOr<const KnownModel*> model = FindKnownModel(name);
  EXPECT_THAT(model, IsOk());
  absl::StatusOr<ModelTree> tree = BuildModelTree((*model)->config, name);
  EXPECT_THAT(tree, IsOk());
  return *std::move(tree);
}

WeightFormat Plain(DType dtype) {
  WeightFormat format;
  format.dtype = dtype;
  return format;
}

WeightFormat Int8(DType rest) {
  WeightFormat format = Plain(rest);
  format.quantization.load_in_8bit = true;
  return format;
}

WeightFormat FourBit(Scheme type, DType rest, bool double_quant = false) {
  WeightFormat format = Plain(rest);
  format.quantization.load_in_4bit = true;
  format.quantization.bnb_4bit_quant_type = type;
  format.quantization.bnb_4bit_use_double_quant = double_quant;
  return format;
}

uint64_t Predict(const ModelTree& tree, const WeightFormat& format) {
  return LoadedBytes(tree, SchemeRules(tree, format));
}

struct Measurement {
  std::string model;
  WeightFormat format;
  uint64_t bytes;
  bool has_head = true;
};

// transformers 5.17 with bitsandbytes 0.50 on an H200, from the CUDA allocator.
TEST(WeightBytesTest, WithinAPerCentAboveWhatWasMeasured) {
  const Measurement measurements[] = {
      {kTinyLlama, Plain(DType::kF32), 4'400'194'560},
      {kTinyLlama, Plain(DType::kBF16), 2'200'097'792},
      {kTinyLlama, Int8(DType::kF16), 1'239'081'984},
      {kTinyLlama, FourBit(Scheme::kFp4, DType::kBF16), 826'804'224},
      {kTinyLlama, FourBit(Scheme::kNf4, DType::kBF16, true), 781'895'680},
      {kPhi3, Plain(DType::kF32), 14'890'316'800, false},
      {kPhi3, Int8(DType::kF16), 3'825'343'488, false},
      {kPhi3, FourBit(Scheme::kFp4, DType::kBF16), 2'238'848'000, false},
      {kPhi3, FourBit(Scheme::kFp4, DType::kF32), 2'433'430'528, false},
      {kPhi3, Int8(DType::kF32), 4'022'744'064, false},
      {kLlama3, Plain(DType::kBF16), 16'060'523'520},
      {kLlama3, Int8(DType::kF16), 9'086'706'688},
      {kLlama3, FourBit(Scheme::kNf4, DType::kBF16), 6'061'941'760},
      {kLlama3, FourBit(Scheme::kNf4, DType::kBF16, true), 5'706'949'632},
  };
  for (const Measurement& m : measurements) {
    const ModelTree tree = m.has_head ? Tree(m.model) : WithoutHead(Tree(m.model));
    const uint64_t predicted = Predict(tree, m.format);
    EXPECT_GE(predicted, m.bytes) << m.model;
    EXPECT_LE(predicted, m.bytes * 1.01) << m.model;
  }
}

// Notebooks with transformers 4.4, decimal MB; without the figures that were peaks.
TEST(WeightBytesTest, WithinTwoPerCentOfTheNotebooks) {
  const ModelTree phi3 = WithoutHead(Tree(kPhi3));
  const std::pair<WeightFormat, double> figures[] = {
      {Plain(DType::kF32), 14'890.594304e6},
      {Int8(DType::kF16), 3'859.044352e6},
      {FourBit(Scheme::kFp4, DType::kBF16), 2'240.436224e6},
  };
  for (const auto& [format, bytes] : figures) {
    EXPECT_NEAR(static_cast<double>(Predict(phi3, format)), bytes, 0.02 * bytes);
  }
}

// quantization.md's figures: of the weights alone, without the allocator.
TEST(WeightBytesTest, BytesAsTheyAreStored) {
  struct Row {
    std::string model;
    WeightFormat format;
    double gib;
  };
  const Row rows[] = {
      {kTinyLlama, Plain(DType::kF32), 4.098},
      {kTinyLlama, Plain(DType::kF16), 2.049},
      {kTinyLlama, Int8(DType::kF16), 1.148},
      {kTinyLlama, FourBit(Scheme::kNf4, DType::kF16), 0.752},
      {kTinyLlama, FourBit(Scheme::kNf4, DType::kF16, true), 0.710},
      {kPhi3, Plain(DType::kF32), 14.235},
      {kPhi3, Plain(DType::kF16), 7.117},
      {kPhi3, Int8(DType::kF16), 3.746},
      {kPhi3, FourBit(Scheme::kNf4, DType::kF16), 2.266},
      {kPhi3, FourBit(Scheme::kNf4, DType::kF16, true), 2.108},
  };
  for (const Row& row : rows) {
    const ModelTree tree = Tree(row.model);
    const double bytes = ModelBytes(tree, SchemeRules(tree, row.format), MemoryKind::kGpu, 1);
    EXPECT_NEAR(bytes / (1 << 30), row.gib, 0.0006) << row.model;
  }
}

TEST(WeightBytesTest, OneTensorInEveryScheme) {
  const TreeTensor weight{"weight", {96, 70}, 96 * 70};
  const auto bytes = [&](Scheme scheme, bool flag, uint64_t allocation = 1) {
    return TensorBytes(weight, TensorScheme{scheme, flag, 64}, allocation);
  };
  EXPECT_EQ(bytes(Scheme::kFp32, false), 26880);
  EXPECT_EQ(bytes(Scheme::kFp16, false), 13440);
  EXPECT_EQ(bytes(Scheme::kBf16, false), 13440);
  EXPECT_EQ(bytes(Scheme::kInt8, false), 6720 + 96 * 4);
  // 105 blocks, the last of them full.
  EXPECT_EQ(bytes(Scheme::kNf4, false), 3360 + 105 * 4 + 64);
  EXPECT_EQ(bytes(Scheme::kFp4, true), 3360 + 105 + 4 + 1024 + 4 + 64);
  EXPECT_EQ(bytes(Scheme::kFp4, true, 512), 3584 + 512 + 512 + 1024 + 512 + 512);
  EXPECT_EQ(bytes(Scheme::kFp32, false, 512), 27136);
  // An odd count takes half a byte more, and a short block an absmax of its own.
  const TreeTensor odd{"weight", {5, 13}, 65};
  EXPECT_EQ(TensorBytes(odd, TensorScheme{Scheme::kNf4, false, 64}, 1), 33 + 8 + 64);
}

TEST(WeightBytesTest, ACpuHoldsFp32OrWhatIsAsked) {
  const ModelTree tree = Tree(kPhi3);
  ServingFormat format;
  format.weights = FourBit(Scheme::kNf4, DType::kBF16, true);
  const SchemeRules rules(tree, format.weights);
  const auto cpu_rules = [&] { return SchemeRules(tree, format.Weights(MemoryKind::kCpu)); };
  const PlanUnit& layer = tree.units[2];
  ASSERT_EQ(layer.name, "model.layers.0");
  constexpr double kMiB = 1 << 20;
  EXPECT_NEAR(UnitWeightBytes(tree, layer, rules, MemoryKind::kGpu) / kMiB, 55.7, 0.1);
  EXPECT_NEAR(UnitWeightBytes(tree, layer, cpu_rules(), MemoryKind::kCpu) / kMiB, 432.02, 0.01);
  format.offload_dtype = OffloadDType::kAuto;
  EXPECT_NEAR(UnitWeightBytes(tree, layer, cpu_rules(), MemoryKind::kCpu) / kMiB, 55.7, 0.1);
  format.offload_dtype = OffloadDType::kBFloat16;
  EXPECT_NEAR(UnitWeightBytes(tree, layer, cpu_rules(), MemoryKind::kCpu) / kMiB, 216.03, 0.01);
  format.offload_dtype = OffloadDType::kInt8;
  EXPECT_NEAR(UnitWeightBytes(tree, layer, cpu_rules(), MemoryKind::kCpu) / kMiB, 108.15, 0.1);
  // Embeddings stay float32 on CPUs.
  EXPECT_EQ(UnitWeightBytes(tree, tree.units[0], cpu_rules(), MemoryKind::kCpu),
            4ull * 32064 * 3072);
}

TEST(WeightBytesTest, TiedTensorsAreHeldOnceOnADevice) {
  const ModelTree tree = Tree("Qwen/Qwen2-0.5B");
  const SchemeRules rules(tree, Plain(DType::kF16));
  EXPECT_EQ(ModelBytes(tree, rules, MemoryKind::kGpu, 1), 2 * 494'032'768 + 256);
  const PlanUnit& head = tree.units.back();
  EXPECT_EQ(head.kind, UnitKind::kLmHead);
  EXPECT_EQ(tree.units.at(head.tied_unit).name, "model.embed_tokens");
  EXPECT_EQ(UnitWeightBytes(tree, head, rules, MemoryKind::kGpu), 2 * 151'936 * 896);
}

TEST(WeightBytesTest, T5KeepsWoInFp32) {
  const ModelTree tree = Tree("google/flan-t5-base");
  const uint64_t wo = 24 * 768 * 2048;
  const auto stored = [&](const WeightFormat& format) {
    return ModelBytes(tree, SchemeRules(tree, format), MemoryKind::kGpu, 1);
  };
  EXPECT_EQ(stored(Plain(DType::kF32)), 4 * tree.parameters);
  EXPECT_EQ(stored(Plain(DType::kF16)), 2 * tree.parameters + 2 * wo);
  EXPECT_EQ(stored(Plain(DType::kBF16)), 2 * tree.parameters);
  const SchemeRules rules(tree, Int8(DType::kF16));
  for (const PlanUnit& unit : tree.units) {
    ForEachTensor(*unit.module, unit.name,
                  [&](const std::string& module_name, const TreeModule& module, const std::string&,
                      const TreeTensor& tensor) {
                    if (module.class_name != "Linear" || unit.kind == UnitKind::kLmHead) return;
                    const bool is_wo = module_name.compare(module_name.size() - 3, 3, ".wo") == 0;
                    EXPECT_EQ(rules.Of(module_name, module, tensor).scheme,
                              is_wo ? Scheme::kFp32 : Scheme::kInt8)
                        << module_name;
                  });
  }
}

}  // namespace
}  // namespace gantry
