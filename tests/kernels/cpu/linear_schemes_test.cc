#include "kernels/cpu/linear.h"

#include "kernels/reference/quantize.h"
#include "tests/kernels/linear_problem.h"
#include "tests/kernels/tolerance.h"

namespace gantry {
namespace {

using Epilogue = LinearArgs::Epilogue;
using ::testing::HasSubstr;

MatrixFormat FourBit(Scheme scheme, bool double_quant, DType compute, int64_t block_size = 64) {
  MatrixFormat format;
  format.scheme = {scheme, double_quant, block_size};
  format.compute_dtype = compute;
  return format;
}

MatrixFormat Int8(float threshold, bool outliers_per_batch = false) {
  MatrixFormat format;
  format.scheme.scheme = Scheme::kInt8;
  format.int8_threshold = threshold;
  format.outliers_per_batch = outliers_per_batch;
  return format;
}

std::vector<MatrixFormat> Formats() {
  std::vector<MatrixFormat> formats(2);
  formats[0].scheme.scheme = Scheme::kFp16;
  formats[1].scheme.scheme = Scheme::kBf16;
  for (const DType compute : {DType::kF32, DType::kF16, DType::kBF16}) {
    formats.push_back(FourBit(Scheme::kNf4, false, compute));
    formats.push_back(FourBit(Scheme::kFp4, true, compute));
  }
  for (const int64_t block_size : {32, 128, 4096}) {
    formats.push_back(FourBit(Scheme::kNf4, true, DType::kF32, block_size));
    formats.push_back(FourBit(Scheme::kFp4, false, DType::kF32, block_size));
  }
  for (const float threshold : {0.0f, 0.7f, 6.0f}) formats.push_back(Int8(threshold));
  formats.push_back(Int8(6, /*outliers_per_batch=*/true));
  return formats;
}

std::string Describe(const LinearProblem& problem) {
  const MatrixFormat& format = problem.format;
  return absl::StrCat(SchemeName(format.scheme.scheme), format.scheme.double_quant ? "-dq" : "",
                      " blocks of ", format.scheme.block_size, ", ",
                      DTypeName(format.compute_dtype), ", threshold ", format.int8_threshold, "; ",
                      problem.tokens, " tokens, [", problem.rows, ", ", problem.cols,
                      "], epilogue ", static_cast<int>(problem.epilogue));
}

// Some activations of each token are large.
void FillWithOutliers(LinearProblem* problem) {
  problem->Fill();
  for (size_t i = 0; i < problem->x.size(); i += 37) problem->x[i] *= 20;
}

// Rows and columns that are no multiples of anything, so that blocks straddle rows, parts that
// begin within a panel, and all that follows a product.
std::vector<LinearProblem> Problems(const MatrixFormat& format) {
  std::vector<LinearProblem> problems;
  for (const int64_t cols : {1, 63, 64, 150, 257, 512}) {
    for (const int64_t rows : {1, 33, 64}) {
      // Many outputs, of which one may be rounded the other way.
      problems.push_back({rows == 1 ? 67 : 3, rows, cols, Epilogue::kNone, false, true, format});
    }
  }
  for (const int64_t tokens : {1, 2, 12, 13, 25}) {
    problems.push_back({tokens, 96, 256, Epilogue::kAddTo, true, false, format, {64, 16, 16}});
    problems.push_back({tokens, 262, 100, Epilogue::kSiluGate, true, true, format, {131, 131}});
  }
  return problems;
}

class LinearSchemesTest : public ::testing::TestWithParam<std::string> {};

TEST_P(LinearSchemesTest, AgreesWithReference) {
  const auto reference = MakeReferenceBackend();
  const auto cpu = CpuOrDie(GetParam(), 2);
  for (const MatrixFormat& format : Formats()) {
    for (LinearProblem& problem : Problems(format)) {
      FillWithOutliers(&problem);
      EXPECT_LE(RelativeError(problem.Run(*cpu), problem.Run(*reference)),
                Tolerance(cpu->name(), format.scheme.scheme, format.compute_dtype, problem.norm))
          << Describe(problem);
    }
  }
}

TEST_P(LinearSchemesTest, RowsDoNotDependOnTheBatchNorOnThreads) {
  const auto one = CpuOrDie(GetParam(), 1);
  const auto three = CpuOrDie(GetParam(), 3);
  for (const MatrixFormat& format : Formats()) {
    LinearProblem problem{41, 100, 300, Epilogue::kSiluGate, true, true, format};
    FillWithOutliers(&problem);
    const std::vector<float> whole = problem.Run(*one);
    ExpectSame(problem.Run(*three), whole);
    if (format.outliers_per_batch) continue;
    for (const int64_t chunk : {1, 7, 12}) {
      std::vector<float> pieces;
      for (int64_t first = 0; first < problem.tokens; first += chunk) {
        const auto piece = problem.Run(*one, first, std::min(chunk, problem.tokens - first));
        pieces.insert(pieces.end(), piece.begin(), piece.end());
      }
      SCOPED_TRACE(Describe(problem));
      ExpectSame(pieces, whole);
    }
  }
}

TEST_P(LinearSchemesTest, OutliersOfTheBatchAreForEveryToken) {
  const auto cpu = CpuOrDie(GetParam(), 1);
  LinearProblem problem{2, 32, 64, Epilogue::kNone, false, false, Int8(6, true)};
  problem.Fill();
  for (float& x : problem.x) x = std::min(5.0f, std::max(-5.0f, x));
  problem.x[10] = 1000;
  problem.x[64 + 10] = 0.003f;  // as a code it would be 0
  const std::vector<float> together = problem.Run(*cpu);
  const std::vector<float> alone = problem.Run(*cpu, 1, 1);
  EXPECT_NE(std::vector<float>(together.begin() + 32, together.end()), alone);
}

TEST_P(LinearSchemesTest, NanStaysInItsRow) {
  const auto cpu = CpuOrDie(GetParam(), 1);
  for (const MatrixFormat& format : Formats()) {
    if (format.outliers_per_batch) continue;
    LinearProblem problem{20, 64, 300, Epilogue::kSiluGate, false, true, format};
    FillWithOutliers(&problem);
    const std::vector<float> before = problem.Run(*cpu);
    problem.x[7 * 300 + 5] = kNan;
    const std::vector<float> after = problem.Run(*cpu);
    for (size_t i = 0; i < before.size(); ++i) {
      if (i / 32 == 7) {
        ASSERT_TRUE(std::isnan(after[i])) << Describe(problem);
      } else {
        ASSERT_EQ(after[i], before[i]) << Describe(problem);
      }
    }
  }
}

// What the kernels hold is what bitsandbytes would: read back through a product with the identity.
TEST_P(LinearSchemesTest, WeightsAreTheDequantisedOnes) {
  const auto cpu = CpuOrDie(GetParam(), 2);
  const int64_t cols = 96;
  for (const MatrixFormat& format : Formats()) {
    if (!IsFourBit(format.scheme.scheme)) continue;
    LinearProblem problem{cols, 50, cols, Epilogue::kNone, false, false, format, {17, 33}};
    problem.Fill();
    std::fill(problem.x.begin(), problem.x.end(), 0);
    for (int64_t i = 0; i < cols; ++i) problem.x[i * cols + i] = 1;
    const std::vector<float> out = problem.Run(*cpu);
    int64_t first = 0;
    for (const int64_t rows : problem.parts) {
      const auto tensor =
          Quantise(format.scheme, rows, cols,
                   absl::MakeConstSpan(problem.weight).subspan(first * cols, rows * cols));
      std::vector<float> expected(rows * cols);
      Dequantise(*tensor, 0, rows, format.compute_dtype, expected.data());
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t k = 0; k < cols; ++k) {
          ASSERT_EQ(out[k * 50 + first + i], expected[i * cols + k]) << Describe(problem);
        }
      }
      first += rows;
    }
  }
}

TEST_P(LinearSchemesTest, BytesAreThoseOfTheScheme) {
  const auto cpu = CpuOrDie(GetParam(), 1);
  const double weights = 2048.0 * 2048;
  const auto bits = [&](const MatrixFormat& format) {
    return cpu->PackedBytes(format, 2048, 2048) * 8 / weights;
  };
  MatrixFormat half;
  half.scheme.scheme = Scheme::kBf16;
  EXPECT_EQ(bits({}), 32);
  EXPECT_EQ(bits(half), 16);
  EXPECT_NEAR(bits(Int8(6)), 8, 0.02);
  EXPECT_EQ(bits(FourBit(Scheme::kNf4, false, DType::kF32)), 4.5);
  EXPECT_NEAR(bits(FourBit(Scheme::kNf4, true, DType::kF32)), 4.127, 0.001);
}

TEST_P(LinearSchemesTest, TooManyColumnsForInt8AreAnError) {
  const auto cpu = CpuOrDie(GetParam(), 1);
  const auto zeros = [](int64_t, int64_t, void*) { return absl::OkStatus(); };
  EXPECT_THAT(cpu->Pack(SourceOf(Int8(6), 1, 133145, zeros)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("133145 columns")));
}

INSTANTIATE_TEST_SUITE_P(Isa, LinearSchemesTest, ::testing::ValuesIn(AvailableIsas()),
                         [](const auto& info) { return info.param; });

TEST(LinearSchemesIsaTest, Avx512AndAvx2GiveEqualBits) {
  const auto isas = AvailableIsas();
  if (isas.size() < 3) GTEST_SKIP() << "needs a CPU with AVX-512";
  for (const MatrixFormat& format : Formats()) {
    for (LinearProblem& problem : Problems(format)) {
      FillWithOutliers(&problem);
      SCOPED_TRACE(Describe(problem));
      ExpectSame(problem.Run(*CpuOrDie("avx2", 1)), problem.Run(*CpuOrDie("avx512", 1)));
    }
  }
}

}  // namespace
}  // namespace gantry
