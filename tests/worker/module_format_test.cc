#include "worker/module_format.h"

#include <cmath>
#include <functional>
#include <limits>

#include "gtest/gtest.h"
#include "tests/status_matchers.h"
#include "tests/worker/stage_testing.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

ModuleSpec Layer() { return ListModules(TinyConfig())[1]; }

v1::WeightAssignment* Add(const std::string& name, const std::string& scheme,
                          v1::ModuleAssignment* module) {
  v1::WeightAssignment* weight = module->add_weights();
  weight->set_name("model.layers.0." + name + ".weight");
  weight->set_scheme(scheme);
  if (scheme == "nf4" || scheme == "fp4") weight->set_block_size(64);
  return weight;
}

// A layer in nf4 with double quantisation, but for its down projection.
v1::ModuleAssignment MakeAssignment() {
  v1::ModuleAssignment module;
  module.set_name("model.layers.0");
  module.set_scheme("bf16");
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                           "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj"}) {
    Add(name, "nf4", &module)->set_double_quant(true);
  }
  return module;
}

TEST(ModuleFormatTest, EachMatrixHasItsOwn) {
  Numerics numerics;
  numerics.four_bit_compute_dtype = DType::kBF16;
  numerics.int8_threshold = 4;
  numerics.outliers_per_batch = true;
  v1::ModuleAssignment module = MakeAssignment();
  v1::WeightAssignment& o = *module.mutable_weights(3);
  o.set_scheme("int8");
  o.set_double_quant(false);
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModuleFormat format,
                              ParseModuleFormat(module, Layer(), numerics));
  const MatrixFormat nf4 = {.scheme = {.scheme = Scheme::kNf4, .double_quant = true},
                            .compute_dtype = DType::kBF16};
  EXPECT_EQ(format.qkv, nf4);
  EXPECT_EQ(format.gate_up, nf4);
  EXPECT_EQ(format.o, (MatrixFormat{.scheme = {.scheme = Scheme::kInt8},
                                    .int8_threshold = 4,
                                    .outliers_per_batch = true}));
  // What it does not have is as for any numerics, so that it is kept when they change.
  EXPECT_EQ(format.down, (MatrixFormat{.scheme = {.scheme = Scheme::kBf16}}));
  EXPECT_EQ(format.matrix, MatrixFormat());
  EXPECT_EQ(ModuleMatrices(Layer(), format).size(), 4);
}

TEST(ModuleFormatTest, ASchemeOfTheModuleIsThatOfItsMatrices) {
  v1::ModuleAssignment module;
  module.set_scheme("fp4");
  GANTRY_ASSERT_OK_AND_ASSIGN(const ModuleFormat format, ParseModuleFormat(module, Layer(), {}));
  for (const auto& [linear, matrix] : ModuleMatrices(Layer(), format)) {
    EXPECT_EQ(matrix->scheme, (TensorScheme{.scheme = Scheme::kFp4})) << linear->rows;
  }
}

struct BadAssignment {
  std::string name;
  std::function<void(v1::ModuleAssignment*)> spoil;
  std::string expected;
};

class BadAssignments : public ::testing::TestWithParam<BadAssignment> {};

TEST_P(BadAssignments, AreInvalid) {
  v1::ModuleAssignment module = MakeAssignment();
  GANTRY_ASSERT_OK(ParseModuleFormat(module, Layer(), {}));
  GetParam().spoil(&module);
  EXPECT_THAT(
      ParseModuleFormat(module, Layer(), {}),
      StatusIs(kInvalid, AllOf(HasSubstr("stages.modules."), HasSubstr(GetParam().expected))));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, BadAssignments,
    ::testing::Values(
        BadAssignment{"Scheme", [](auto* m) { m->set_scheme("int4"); },
                      "scheme of model.layers.0: expected fp32, fp16, bf16, int8, nf4 or fp4"},
        BadAssignment{"NoScheme", [](auto* m) { m->clear_scheme(); }, "found \"\""},
        BadAssignment{"WeightScheme", [](auto* m) { m->mutable_weights(0)->set_scheme("NF4"); },
                      "weights.scheme of model.layers.0.self_attn.q_proj.weight"},
        BadAssignment{"UnknownWeight", [](auto* m) { Add("mlp.experts", "nf4", m); },
                      "the module has no matrix \"model.layers.0.mlp.experts.weight\""},
        BadAssignment{"OfAnotherModule",
                      [](auto* m) {
                        m->mutable_weights(3)->set_name("model.layers.1.self_attn.o_proj.weight");
                      },
                      "no matrix \"model.layers.1"},
        BadAssignment{"ANorm",
                      [](auto* m) {
                        m->mutable_weights(3)->set_name("model.layers.0.input_layernorm.weight");
                      },
                      "no matrix"},
        BadAssignment{"Twice", [](auto* m) { *m->add_weights() = m->weights(3); }, "twice"},
        BadAssignment{"BlockSize", [](auto* m) { m->mutable_weights(3)->set_block_size(48); },
                      "weights.block_size of model.layers.0.self_attn.o_proj.weight: expected a "
                      "power of two from 32 to 4096, found 48"},
        BadAssignment{"NoBlockSize", [](auto* m) { m->mutable_weights(3)->clear_block_size(); },
                      "found 0"},
        BadAssignment{"HugeBlockSize",
                      [](auto* m) { m->mutable_weights(3)->set_block_size(UINT32_MAX); },
                      "found 4294967295"},
        BadAssignment{"DoubleQuantOfInt8",
                      [](auto* m) { m->mutable_weights(3)->set_scheme("int8"); },
                      "weights.double_quant"},
        BadAssignment{"PartsOfOneProduct",
                      [](auto* m) { m->mutable_weights(1)->set_double_quant(false); },
                      "k_proj.weight: expected that of model.layers.0.self_attn.q_proj.weight, nf4 "
                      "in blocks of 64 with double quantisation, since one product takes both, "
                      "found nf4 in blocks of 64; name all of its parts in llm_int8_skip_modules"},
        BadAssignment{"OnePartIsPlain", [](auto* m) { m->mutable_weights()->DeleteSubrange(5, 1); },
                      "up_proj.weight: expected that of model.layers.0.mlp.gate_proj.weight"}),
    [](const auto& info) { return info.param.name; });

TEST(NumericsTest, AreReadAndChecked) {
  v1::LoadRequest request;
  GANTRY_ASSERT_OK_AND_ASSIGN(Numerics numerics, ParseNumerics(request));
  EXPECT_EQ(numerics.int8_threshold, 6);
  EXPECT_EQ(numerics.compute, ComputeOptions());
  v1::Numerics& given = *request.mutable_numerics();
  GANTRY_ASSERT_OK_AND_ASSIGN(numerics, ParseNumerics(request));
  EXPECT_EQ(numerics.int8_threshold, 0);
  given.set_activation_dtype("BF16");
  given.set_bnb_4bit_compute_dtype("F16");
  given.set_llm_int8_threshold(2.5f);
  given.set_deterministic(true);
  given.set_outliers_per_batch(true);
  GANTRY_ASSERT_OK_AND_ASSIGN(numerics, ParseNumerics(request));
  EXPECT_EQ(numerics.compute,
            (ComputeOptions{.activation_dtype = DType::kBF16, .deterministic = true}));
  EXPECT_EQ(numerics.four_bit_compute_dtype, DType::kF16);
  EXPECT_EQ(numerics.int8_threshold, 2.5f);
  EXPECT_TRUE(numerics.outliers_per_batch);

  for (const char* name : {"I8", "float32", "F64", "\xff"}) {
    v1::LoadRequest bad = request;
    bad.mutable_numerics()->set_activation_dtype(name);
    EXPECT_THAT(ParseNumerics(bad),
                StatusIs(kInvalid, HasSubstr("numerics.activation_dtype: expected F32, BF16")));
    bad = request;
    bad.mutable_numerics()->set_bnb_4bit_compute_dtype(name);
    EXPECT_THAT(ParseNumerics(bad),
                StatusIs(kInvalid, HasSubstr("numerics.bnb_4bit_compute_dtype: expected")));
    EXPECT_THAT(ParseFloatType("kv.dtype", name), StatusIs(kInvalid, HasSubstr("kv.dtype")));
  }
  for (const float threshold : {-1.0f, NAN, INFINITY, 1e31f}) {
    given.set_llm_int8_threshold(threshold);
    EXPECT_THAT(ParseNumerics(request),
                StatusIs(kInvalid, HasSubstr("numerics.llm_int8_threshold")));
  }
}

}  // namespace
}  // namespace gantry
