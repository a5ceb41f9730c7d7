#include "kernels/cpu/isa.h"

#include <cmath>
#include <limits>

#include "tests/kernels/kernel_testing.h"

namespace gantry {
namespace {

class IsaTest : public ::testing::TestWithParam<std::string> {
 protected:
  const Isa& isa_ = **ChooseIsa(GetParam());

  // e^x through softmax, whose largest score is 0.
  std::vector<float> Exp(const std::vector<float>& x) {
    std::vector<float> scores = x;
    scores.push_back(0);
    const int64_t n = (scores.size() + kLanes - 1) / kLanes * kLanes;
    const int64_t count = scores.size();
    scores.resize(n, kNan);
    isa_.softmax(scores.data(), n, 0, count, 1);
    scores.resize(x.size());
    return scores;
  }
};

TEST_P(IsaTest, ExpIsAccurateToAboutAnUlp) {
  std::vector<float> x;
  for (float value = 0; value > -87; value -= 0.00371f) x.push_back(value);
  const std::vector<float> found = Exp(x);
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(double{x[i]});
    ASSERT_NEAR(found[i] / exact, 1, 1.6e-7) << x[i];
  }
}

TEST_P(IsaTest, ExpAtItsEnds) {
  const auto found = Exp({0, -0.0f, -87.5f, -1000, -std::numeric_limits<float>::max(),
                          -std::numeric_limits<float>::infinity()});
  EXPECT_EQ(found[0], 1);
  EXPECT_EQ(found[1], 1);
  for (size_t i = 2; i < found.size(); ++i) EXPECT_EQ(found[i], 0) << i;
}

TEST_P(IsaTest, SoftmaxLeavesOutWhatIsMasked) {
  for (int64_t begin : {0, 1, 15, 16, 17, 33}) {
    for (int64_t end : {34, 47, 48, 64}) {
      std::vector<float> scores(64, kNan);
      double total = 0;
      for (int64_t i = begin; i < end; ++i) {
        scores[i] = static_cast<float>(i % 7);
        total += std::exp(0.5 * (i % 7 - 6));
      }
      const std::vector<float> before = scores;
      const float sum = isa_.softmax(scores.data(), 64, begin, end, 0.5f);
      double max = 0;
      for (int64_t i = 0; i < 64; ++i) {
        if (i < begin || i >= end) {
          EXPECT_EQ(scores[i], 0) << i;
        } else {
          max = std::max<double>(max, before[i]);
        }
      }
      EXPECT_NEAR(sum * std::exp(0.5 * (max - 6)), total, 1e-5 * total);
    }
  }
}

TEST_P(IsaTest, NanReachesTheResult) {
  std::vector<float> scores(16, 1);
  scores[3] = kNan;
  EXPECT_TRUE(std::isnan(isa_.softmax(scores.data(), 16, 0, 16, 1)));
  std::vector<float> gate(16, 1);
  const std::vector<float> up(16, 1);
  gate[5] = kNan;
  isa_.silu_gate(gate.data(), up.data(), 16);
  EXPECT_TRUE(std::isnan(gate[5]));
  EXPECT_FALSE(std::isnan(gate[4]));
}

TEST_P(IsaTest, SiluOverTheWholeRange) {
  std::vector<float> gate = {0,    1,     -1,     20,     -20, 87, -87, 100,
                             -100, 1e30f, -1e30f, 1e-30f, 3,   -3, 9,   -9};
  const std::vector<float> x = gate;
  const std::vector<float> up(16, 2);
  isa_.silu_gate(gate.data(), up.data(), 16);
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = 2 * (x[i] / (1 + std::exp(-double{x[i]})));
    EXPECT_NEAR(gate[i], exact, 4e-7 * std::abs(exact) + 1e-7) << x[i];
  }
}

TEST_P(IsaTest, TileAddsOrSetsEveryShape) {
  for (int rows = 1; rows <= isa_.tile_rows; ++rows) {
    for (int width : {16, 32}) {
      for (int64_t depth : {1, 2, 19}) {
        const int64_t ldb = 48;
        const int64_t ldc = 40;
        const std::vector<float> a = RandomFloats(depth * rows);
        const std::vector<float> b = RandomFloats(depth * ldb);
        std::vector<float> set(rows * ldc, 7);
        std::vector<float> added = set;
        isa_.tile(rows, width, depth, a.data(), b.data(), ldb, set.data(), ldc, false);
        isa_.tile(rows, width, depth, a.data(), b.data(), ldb, added.data(), ldc, true);
        std::vector<float> transposed(rows * 23);
        for (int64_t k = 0; k < depth; ++k) {
          for (int r = 0; r < rows; ++r) transposed[r * 23 + k] = a[k * rows + r];
        }
        std::vector<float> by_rows(rows * ldc, 7);
        isa_.row_tile(rows, width, depth, transposed.data(), 23, b.data(), ldb, by_rows.data(), ldc,
                      true);
        ExpectSame(by_rows, added);
        for (int r = 0; r < rows; ++r) {
          for (int i = 0; i < ldc; ++i) {
            double sum = 0;
            for (int64_t k = 0; k < depth; ++k) sum += double{a[k * rows + r]} * b[k * ldb + i];
            if (i >= width) sum = 7;
            ASSERT_NEAR(set[r * ldc + i], sum, 1e-5);
            ASSERT_NEAR(added[r * ldc + i], i < width ? sum + 7 : 7, 2e-5);
          }
        }
      }
    }
  }
}

TEST_P(IsaTest, SumAddsAll) {
  const std::vector<float> ones(1280, 1);
  EXPECT_EQ(isa_.sum(ones.data(), 1280), 1280);
}

INSTANTIATE_TEST_SUITE_P(Isa, IsaTest, ::testing::ValuesIn(AvailableIsas()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace gantry
