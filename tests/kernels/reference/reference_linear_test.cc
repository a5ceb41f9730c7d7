#include "kernels/reference/reference_linear.h"

#include "kernels/reference/quantize.h"
#include "tests/kernels/kernel_testing.h"
#include "tests/tensor_file.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

std::vector<float> Multiply(const MatrixSource& source, const std::vector<float>& x,
                            const std::vector<float>& bias = {}) {
  const auto backend = MakeReferenceBackend();
  const auto matrix = PackOrDie(*backend, source);
  const int64_t tokens = x.size() / source.cols;
  const auto x_buffer = Filled(*backend, x);
  const auto bias_buffer = Filled(*backend, bias);
  const auto out = Poisoned(*backend, tokens * source.rows);
  LinearArgs args;
  args.x = x_buffer.get();
  args.weight = matrix.get();
  args.bias = bias.empty() ? nullptr : bias_buffer.get();
  args.out = out.get();
  args.tokens = tokens;
  GANTRY_EXPECT_OK(backend->Linear(args));
  return Read(*backend, *out);
}

TEST(ReferenceLinearTest, SixteenBitWeightsAreRoundedAndActivationsAreNot) {
  const float x = 1 + 0x1p-20f;
  const float weight = 1 + 0x1p-12f + 0x1p-20f;
  MatrixFormat format;
  format.scheme.scheme = Scheme::kFp16;
  EXPECT_EQ(Multiply(SourceInParts(format, {1}, 1, {weight}), {x})[0], x);
  format.scheme.scheme = Scheme::kBf16;
  EXPECT_EQ(Multiply(SourceInParts(format, {1}, 1, {1 + 0x1p-7f + 0x1p-9f}), {x})[0],
            x * (1 + 0x1p-7f));
}

TEST(ReferenceLinearTest, FourBitRoundsEverythingToTheComputeType) {
  MatrixFormat format;
  format.scheme.scheme = Scheme::kNf4;
  // One block: 1 stands for 1.0 and -0.5 for the code nearest to it.
  const std::vector<float> weight = {1, -0.5f};
  const float code = CodeBook(Scheme::kNf4)[2];
  const float x = 1 + 0x1p-9f;
  EXPECT_EQ(Multiply(SourceInParts(format, {1}, 2, weight), {x, 1}, {3})[0],
            static_cast<float>(double{x} + code + 3));
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    format.compute_dtype = dtype;
    const float expected =
        RoundTo(dtype, RoundTo(dtype, x) + RoundTo(dtype, code) + RoundTo(dtype, 3.001f));
    EXPECT_EQ(Multiply(SourceInParts(format, {1}, 2, weight), {x, 1}, {3.001f})[0], expected);
  }
}

TEST(ReferenceLinearTest, PartsAreQuantisedByThemselves) {
  const std::vector<float> weight = RandomFloats(6 * 40);
  const std::vector<float> x = RandomFloats(2 * 40);
  for (const bool double_quant : {false, true}) {
    MatrixFormat format;
    format.scheme.scheme = Scheme::kFp4;
    format.scheme.double_quant = double_quant;
    const auto whole = Multiply(SourceInParts(format, {1, 2, 3}, 40, weight), x);
    int64_t first = 0;
    for (const int64_t rows : {1, 2, 3}) {
      const std::vector<float> part(weight.begin() + first * 40,
                                    weight.begin() + (first + rows) * 40);
      const auto alone = Multiply(SourceInParts(format, {rows}, 40, part), x);
      for (int64_t i = 0; i < 2 * rows; ++i) {
        EXPECT_EQ(alone[i], whole[i / rows * 6 + first + i % rows]);
      }
      first += rows;
    }
  }
}

TEST(ReferenceLinearTest, WhatIsQuantisedAlreadyIsTakenAsItIs) {
  const std::vector<float> weight = RandomFloats(5 * 70);
  const std::vector<float> x = RandomFloats(3 * 70);
  for (const Scheme scheme : {Scheme::kNf4, Scheme::kInt8}) {
    MatrixFormat format;
    format.scheme.scheme = scheme;
    MatrixSource source = SourceInParts(format, {5}, 70, weight);
    const auto expected = Multiply(source, x);
    const PackedTensor tensor = Quantise(format.scheme, 5, 70, weight).value();
    source.parts[0].read = nullptr;
    source.parts[0].read_packed = [&] { return tensor; };
    ExpectSame(Multiply(source, x), expected);

    PackedTensor wrong = tensor;
    wrong.rows = 7;
    wrong.cols = 50;
    if (scheme == Scheme::kInt8) wrong.absmax.resize(7);
    source.parts[0].read_packed = [&] { return wrong; };
    EXPECT_THAT(MakeReferenceBackend()->Pack(source),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("found [7, 50]")));
    wrong = tensor;
    wrong.absmax.pop_back();
    EXPECT_THAT(MakeReferenceBackend()->Pack(source),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("elements")));
  }
}

class Int8Products : public ::testing::TestWithParam<std::string> {};

// bitsandbytes' products on a GPU. They differ where its codes do.
TEST_P(Int8Products, AreBitsandbytes) {
  const TensorFile file("quantizer/vectors.safetensors");
  const std::string name = "int8." + GetParam();
  const std::vector<int64_t> shape = file.Shape(name + ".weight");
  for (const float threshold : {0, 6}) {
    MatrixFormat format;
    format.scheme.scheme = Scheme::kInt8;
    format.int8_threshold = threshold;
    format.outliers_per_batch = true;
    const auto actual =
        Multiply(SourceInParts(format, {shape[0]}, shape[1], file.Floats(name + ".weight")),
                 file.Floats(name + ".x"), file.Floats(name + ".bias"));
    const auto expected =
        file.Floats(name + ".y.threshold" + std::to_string(static_cast<int>(threshold)));
    EXPECT_LE(RelativeError(actual, expected), 3e-4) << "threshold " << threshold;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Int8Products, ::testing::Values("1x256", "7x256", "33x512"),
                         [](const auto& info) { return "rows_" + info.param; });

TEST(ReferenceLinearTest, Int8OutliersAreMultipliedWithWhatCodesStandFor) {
  MatrixFormat format;
  format.scheme.scheme = Scheme::kInt8;
  const std::vector<float> weight = {1, 0.3f};  // codes 127 and 38
  const std::vector<float> x = {0, 8};          // an outlier
  const float stored = 38 * (1.0f / 127);
  EXPECT_EQ(Multiply(SourceInParts(format, {1}, 2, weight), x)[0],
            RoundTo(DType::kF16, 8 * RoundTo(DType::kF16, stored)));
}

TEST(ReferenceLinearTest, WhatIsNotFiniteReachesTheResult) {
  for (const Scheme scheme : {Scheme::kFp16, Scheme::kInt8, Scheme::kNf4}) {
    for (const float threshold : {0, 6}) {
      MatrixFormat format;
      format.scheme.scheme = scheme;
      format.int8_threshold = threshold;
      std::vector<float> x = RandomFloats(3 * 64);
      x[64 + 5] = kNan;
      const auto out =
          Multiply(SourceInParts(format, {2}, 64, std::vector<float>(2 * 64, 0.5f)), x);
      for (int i = 0; i < 6; ++i) EXPECT_EQ(std::isnan(out[i]), i / 2 == 1) << SchemeName(scheme);
    }
  }
}

TEST(ReferenceLinearTest, ErrorsOfQuantisationNameTheRowOfThePart) {
  std::vector<float> weight = RandomFloats(300 * 1000);
  weight[299 * 1000 + 7] = kNan;
  MatrixFormat format;
  format.scheme.scheme = Scheme::kNf4;
  EXPECT_THAT(MakeReferenceBackend()->Pack(SourceInParts(format, {10, 290}, 1000, weight)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[289, 7]")));
  EXPECT_THAT(MakeReferenceBackend()->Pack(SourceInParts(format, {1, 1, 1, 1, 1}, 9, weight)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("5 parts")));
}

TEST(ReferenceLinearTest, EmbeddingTablesIn16Bits) {
  const auto backend = MakeReferenceBackend();
  const auto out = Poisoned(*backend, 4);
  for (const Scheme scheme : {Scheme::kFp16, Scheme::kBf16}) {
    MatrixFormat format;
    format.scheme.scheme = scheme;
    const auto table =
        PackOrDie(*backend, SourceInParts(format, {3}, 2, {0, 1, 10, 11, 20, 1 + 0x1p-14f}));
    GANTRY_ASSERT_OK(EmbedTokens(*backend, {2, 1}, *table, out.get()));
    EXPECT_EQ(Read(*backend, *out), (std::vector<float>{20, 1, 10, 11}));
  }
  MatrixFormat format;
  format.scheme.scheme = Scheme::kNf4;
  const auto table = PackOrDie(*backend, SourceInParts(format, {3}, 2, {0, 1, 2, 3, 4, 5}));
  EXPECT_THAT(EmbedTokens(*backend, {2, 1}, *table, out.get()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nf4")));
}

}  // namespace
}  // namespace gantry
