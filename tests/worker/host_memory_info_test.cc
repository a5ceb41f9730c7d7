#include "worker/host_memory_info.h"

#include "base/clock.h"
#include "gtest/gtest.h"
#include "tests/status_matchers.h"
#include "worker/load_progress.h"

namespace gantry {
namespace {

TEST(HostMemoryInfoTest, ReadsMeminfo) {
  const std::string text = "MemTotal:       24000 kB\nMemAvailable:    1000 kB\nOdd: 5\n";
  EXPECT_EQ(MeminfoField(text, "MemAvailable"), 1024000);
  EXPECT_EQ(MeminfoField(text, "MemTotal"), 24576000);
  EXPECT_EQ(MeminfoField(text, "MemFree"), std::nullopt);
  EXPECT_EQ(MeminfoField("MemAvailable: -5 kB", "MemAvailable"), std::nullopt);
  EXPECT_EQ(MeminfoField("MemAvailable: 18446744073709551615 kB", "MemAvailable"), std::nullopt);
}

TEST(HostMemoryInfoTest, ReadsLimits) {
  EXPECT_EQ(ParseCgroupLimit("1073741824\n"), 1073741824);
  EXPECT_EQ(ParseCgroupLimit("max\n"), std::nullopt);
  EXPECT_EQ(ParseCgroupLimit(""), std::nullopt);
}

TEST(HostMemoryInfoTest, KnowsThisProcess) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const uint64_t available, AvailableMemory());
  EXPECT_GT(available, 0);
  EXPECT_GT(ResidentMemory(), 0);
}

TEST(LoadProgressTest, LogsEachTenth) {
  FakeClock clock;
  LoadProgress progress(/*terminal=*/false, &clock);
  clock.Advance(absl::Seconds(1));
  progress.Update(50, 1000);
  EXPECT_EQ(progress.last(), "");
  progress.Update(100, 1000);
  EXPECT_EQ(progress.last(), "loading weights: 100 B of 1.00 KB (10 %), 100 B/s");
  progress.Update(190, 1000);
  EXPECT_EQ(progress.last(), "loading weights: 100 B of 1.00 KB (10 %), 100 B/s");
  clock.Advance(absl::Seconds(1));
  progress.Update(1000, 1000);
  EXPECT_EQ(progress.last(), "loading weights: 1.00 KB of 1.00 KB (100 %), 500 B/s");
}

TEST(LoadProgressTest, SaysNothingWhenThereIsNothingToLoad) {
  FakeClock clock;
  LoadProgress progress(false, &clock);
  progress.Update(0, 0);
  EXPECT_EQ(progress.last(), "");
}

}  // namespace
}  // namespace gantry
