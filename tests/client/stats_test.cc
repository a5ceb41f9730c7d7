#include "client/stats.h"

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(StatsTest, PercentilesAreNumpys) {
  const std::vector<double> values = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(Percentile(values, 0), 1);
  EXPECT_DOUBLE_EQ(Percentile(values, 50), 2.5);
  EXPECT_DOUBLE_EQ(Percentile(values, 90), 3.7);
  EXPECT_DOUBLE_EQ(Percentile(values, 99), 3.97);
  EXPECT_DOUBLE_EQ(Percentile(values, 100), 4);
  EXPECT_DOUBLE_EQ(Percentile({7}, 99), 7);
}

TEST(StatsTest, SummarySortsItsValues) {
  const Summary summary = Summarize({4, 1, 3, 2});
  EXPECT_DOUBLE_EQ(summary.mean, 2.5);
  EXPECT_DOUBLE_EQ(summary.min, 1);
  EXPECT_DOUBLE_EQ(summary.p50, 2.5);
  EXPECT_DOUBLE_EQ(summary.max, 4);
}

TEST(StatsTest, NothingMeasuredIsZero) {
  EXPECT_EQ(Summarize({}).p99, 0);
  EXPECT_EQ(Summarize({}).mean, 0);
}

}  // namespace
}  // namespace gantry
