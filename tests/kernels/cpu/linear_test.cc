#include "kernels/cpu/linear.h"

#include "tests/kernels/kernel_testing.h"
#include "tests/kernels/tolerance.h"

namespace gantry {
namespace {

using Epilogue = LinearArgs::Epilogue;

// One Linear and its inputs, to run on any backend.
struct Problem {
  int64_t tokens, rows, cols;
  Epilogue epilogue = Epilogue::kNone;
  bool norm = false;
  bool bias = false;
  std::vector<float> x = {}, weight = {}, norm_weight = {}, bias_values = {}, out = {};

  void Fill() {
    x = RandomFloats(tokens * cols);
    weight = RandomFloats(rows * cols, 1 / std::sqrt(static_cast<float>(cols)));
    norm_weight = RandomFloats(cols);
    bias_values = RandomFloats(rows);
    const bool adds = epilogue == Epilogue::kAddTo;
    const bool gated = epilogue != Epilogue::kNone && !adds;
    const size_t count = tokens * (gated ? rows / 2 : rows);
    out = adds ? RandomFloats(count) : std::vector<float>(count, kNan);
  }

  // The result for tokens [first, first + count).
  std::vector<float> Run(Backend& backend, int64_t first, int64_t count) const {
    const int64_t out_cols = out.size() / tokens;
    auto slice = [&](const std::vector<float>& all, int64_t width) {
      return Filled(backend, std::vector<float>(all.begin() + first * width,
                                                all.begin() + (first + count) * width));
    };
    const auto x_buffer = slice(x, cols);
    const auto norm_buffer = Filled(backend, norm_weight);
    const auto bias_buffer = Filled(backend, bias_values);
    const auto out_buffer = slice(out, out_cols);
    const auto matrix = PackOrDie(backend, rows, cols, weight);
    LinearArgs args;
    args.x = x_buffer.get();
    args.norm_weight = norm ? norm_buffer.get() : nullptr;
    args.norm_eps = 1e-5f;
    args.weight = matrix.get();
    args.bias = bias ? bias_buffer.get() : nullptr;
    args.epilogue = epilogue;
    args.out = out_buffer.get();
    args.tokens = count;
    GANTRY_EXPECT_OK(backend.Linear(args));
    return Read(backend, *out_buffer);
  }
  std::vector<float> Run(Backend& backend) const { return Run(backend, 0, tokens); }
};

std::vector<Problem> Problems() {
  std::vector<Problem> problems;
  for (int64_t cols : {1, 3, 15, 255, 256, 257, 1030, 4097}) {
    for (int64_t rows : {1, 31, 32, 70}) problems.push_back({5, rows, cols});
  }
  for (int64_t tokens : {1, 2, 3, 4, 6, 7, 11, 12, 13, 25, 67}) {
    problems.push_back({tokens, 64, 300});
    problems.push_back({tokens, 33, 300, Epilogue::kAddTo, true, true});
  }
  for (Epilogue gate : {Epilogue::kSiluGate, Epilogue::kGeluTanhGate, Epilogue::kGeluGate}) {
    // Up-projections that start on a panel, within one, and in a panel shared with the gate.
    for (int64_t rows : {2, 6, 64, 70, 100, 128, 130}) {
      problems.push_back({13, rows, 77, gate, true, true});
    }
  }
  return problems;
}

class LinearTest : public ::testing::TestWithParam<std::string> {};

TEST_P(LinearTest, AgreesWithReference) {
  const auto reference = MakeReferenceBackend();
  const auto cpu = CpuOrDie(GetParam(), 2);
  for (Problem& problem : Problems()) {
    problem.Fill();
    EXPECT_LE(RelativeError(problem.Run(*cpu), problem.Run(*reference)),
              Tolerance(cpu->name(), Scheme::kFp32))
        << problem.tokens << " tokens, [" << problem.rows << ", " << problem.cols << "], epilogue "
        << static_cast<int>(problem.epilogue);
  }
}

TEST_P(LinearTest, RowsDoNotDependOnTheBatch) {
  const auto cpu = CpuOrDie(GetParam(), 1);
  Problem problem{41, 100, 600, Epilogue::kSiluGate, true, true};
  problem.Fill();
  const std::vector<float> whole = problem.Run(*cpu);
  for (int64_t chunk : {1, 7, 12, 40}) {
    std::vector<float> pieces;
    for (int64_t first = 0; first < problem.tokens; first += chunk) {
      const auto piece = problem.Run(*cpu, first, std::min(chunk, problem.tokens - first));
      pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    ExpectSame(pieces, whole);
  }
}

TEST_P(LinearTest, NanStaysInItsRow) {
  const auto cpu = CpuOrDie(GetParam(), 1);
  Problem problem{20, 64, 300, Epilogue::kSiluGate, true, true};
  problem.Fill();
  const std::vector<float> before = problem.Run(*cpu);
  problem.x[7 * 300 + 5] = kNan;
  const std::vector<float> after = problem.Run(*cpu);
  for (size_t i = 0; i < before.size(); ++i) {
    if (i / 32 == 7) {
      EXPECT_TRUE(std::isnan(after[i]));
    } else {
      EXPECT_EQ(after[i], before[i]);
    }
  }
}

TEST_P(LinearTest, ThreadsDoNotShow) {
  Problem problem{19, 500, 700, Epilogue::kAddTo, true, true};
  problem.Fill();
  const std::vector<float> one = problem.Run(*CpuOrDie(GetParam(), 1));
  ExpectSame(problem.Run(*CpuOrDie(GetParam(), 2)), one);
  ExpectSame(problem.Run(*CpuOrDie(GetParam(), 3)), one);
}

TEST_P(LinearTest, NoTokensIsNoWork) {
  const auto cpu = CpuOrDie(GetParam(), 2);
  Problem problem{1, 8, 8};
  problem.Fill();
  EXPECT_TRUE(problem.Run(*cpu, 0, 0).empty());
}

INSTANTIATE_TEST_SUITE_P(Isa, LinearTest, ::testing::ValuesIn(AvailableIsas()),
                         [](const auto& info) { return info.param; });

TEST(LinearIsaTest, Avx512AndAvx2GiveEqualBits) {
  const auto isas = AvailableIsas();
  if (isas.size() < 3) GTEST_SKIP() << "needs a CPU with AVX-512";
  for (Problem& problem : Problems()) {
    problem.Fill();
    ExpectSame(problem.Run(*CpuOrDie("avx2", 1)), problem.Run(*CpuOrDie("avx512", 1)));
  }
}

}  // namespace
}  // namespace gantry
