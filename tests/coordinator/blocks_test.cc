#include "coordinator/blocks.h"

#include <set>

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(BlockAllocatorTest, HandsOutEachBlockOnce) {
  BlockAllocator allocator(5);
  std::vector<uint32_t> a, b;
  ASSERT_TRUE(allocator.Allocate(3, &a));
  ASSERT_TRUE(allocator.Allocate(2, &b));
  std::set<uint32_t> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  EXPECT_EQ(all, (std::set<uint32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(allocator.free(), 0);
}

TEST(BlockAllocatorTest, RefusesMoreThanAreFreeAndTakesNone) {
  BlockAllocator allocator(2);
  std::vector<uint32_t> blocks;
  EXPECT_FALSE(allocator.Allocate(3, &blocks));
  EXPECT_TRUE(blocks.empty());
  EXPECT_EQ(allocator.free(), 2);
}

TEST(BlockAllocatorTest, FreedBlocksAreHandedOutAgain) {
  BlockAllocator allocator(2);
  std::vector<uint32_t> blocks;
  ASSERT_TRUE(allocator.Allocate(2, &blocks));
  allocator.Free(&blocks);
  EXPECT_TRUE(blocks.empty());
  EXPECT_TRUE(allocator.Allocate(2, &blocks));
}

TEST(BlockAllocatorDeathTest, FreeingABlockTwiceAborts) {
  BlockAllocator allocator(2);
  std::vector<uint32_t> blocks;
  ASSERT_TRUE(allocator.Allocate(1, &blocks));
  std::vector<uint32_t> copy = blocks;
  allocator.Free(&blocks);
  EXPECT_DEATH(allocator.Free(&copy), "");
}

TEST(BlocksForTest, RoundsUp) {
  EXPECT_EQ(BlocksFor(0, 16), 0);
  EXPECT_EQ(BlocksFor(1, 16), 1);
  EXPECT_EQ(BlocksFor(16, 16), 1);
  EXPECT_EQ(BlocksFor(17, 16), 2);
}

}  // namespace
}  // namespace gantry
