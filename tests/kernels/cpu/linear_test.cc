#include "kernels/cpu/linear.h"

#include "tests/kernels/linear_problem.h"
#include "tests/kernels/tolerance.h"

namespace gantry {
namespace {

using Epilogue = LinearArgs::Epilogue;

std::vector<LinearProblem> Problems() {
  std::vector<LinearProblem> problems;
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
  for (LinearProblem& problem : Problems()) {
    problem.Fill();
    EXPECT_LE(RelativeError(problem.Run(*cpu), problem.Run(*reference)),
              Tolerance(cpu->name(), Scheme::kFp32))
        << problem.tokens << " tokens, [" << problem.rows << ", " << problem.cols << "], epilogue "
        << static_cast<int>(problem.epilogue);
  }
}

TEST_P(LinearTest, RowsDoNotDependOnTheBatch) {
  const auto cpu = CpuOrDie(GetParam(), 1);
  LinearProblem problem{41, 100, 600, Epilogue::kSiluGate, true, true};
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
  LinearProblem problem{20, 64, 300, Epilogue::kSiluGate, true, true};
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
  LinearProblem problem{19, 500, 700, Epilogue::kAddTo, true, true};
  problem.Fill();
  const std::vector<float> one = problem.Run(*CpuOrDie(GetParam(), 1));
  ExpectSame(problem.Run(*CpuOrDie(GetParam(), 2)), one);
  ExpectSame(problem.Run(*CpuOrDie(GetParam(), 3)), one);
}

TEST_P(LinearTest, NoTokensIsNoWork) {
  const auto cpu = CpuOrDie(GetParam(), 2);
  LinearProblem problem{1, 8, 8};
  problem.Fill();
  EXPECT_TRUE(problem.Run(*cpu, 0, 0).empty());
}

INSTANTIATE_TEST_SUITE_P(Isa, LinearTest, ::testing::ValuesIn(AvailableIsas()),
                         [](const auto& info) { return info.param; });

TEST(LinearIsaTest, Avx512AndAvx2GiveEqualBits) {
  const auto isas = AvailableIsas();
  if (isas.size() < 3) GTEST_SKIP() << "needs a CPU with AVX-512";
  for (LinearProblem& problem : Problems()) {
    problem.Fill();
    ExpectSame(problem.Run(*CpuOrDie("avx2", 1)), problem.Run(*CpuOrDie("avx512", 1)));
  }
}

}  // namespace
}  // namespace gantry
