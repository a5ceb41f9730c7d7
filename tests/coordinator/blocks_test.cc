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

TEST(BlockAllocatorTest, ABlockIsFreeWhenItsLastUserIsGone) {
  BlockAllocator allocator(2);
  std::vector<uint32_t> first;
  ASSERT_TRUE(allocator.Allocate(1, &first));
  std::vector<uint32_t> second = first;
  allocator.Share(first[0]);
  EXPECT_EQ(allocator.users(first[0]), 2);
  allocator.Free(&first);
  EXPECT_EQ(allocator.free(), 1);
  allocator.Free(&second);
  EXPECT_EQ(allocator.free(), 2);
}

TEST(BlockAllocatorTest, KeptBlocksAreReclaimedLastAndTheLongestFreeFirst) {
  BlockAllocator allocator(4);
  std::vector<uint32_t> reclaimed;
  allocator.set_on_reclaim([&](uint32_t block) { reclaimed.push_back(block); });
  std::vector<uint32_t> blocks;
  ASSERT_TRUE(allocator.Allocate(3, &blocks));
  for (uint32_t block : blocks) allocator.Keep(block);
  std::vector<uint32_t> last = {blocks[2]};
  std::vector<uint32_t> others = {blocks[0], blocks[1]};
  allocator.Free(&last);
  allocator.Free(&others);
  EXPECT_EQ(allocator.free(), 4);
  std::vector<uint32_t> next;
  ASSERT_TRUE(allocator.Allocate(1, &next));
  EXPECT_TRUE(reclaimed.empty());
  ASSERT_TRUE(allocator.Allocate(3, &next));
  EXPECT_EQ(reclaimed, (std::vector<uint32_t>{blocks[2], blocks[1], blocks[0]}));
}

TEST(BlockAllocatorTest, AKeptBlockMayBeSharedWhenItIsFree) {
  BlockAllocator allocator(1);
  std::vector<uint32_t> blocks;
  ASSERT_TRUE(allocator.Allocate(1, &blocks));
  allocator.Keep(blocks[0]);
  std::vector<uint32_t> again = blocks;
  allocator.Free(&blocks);
  allocator.Share(again[0]);
  EXPECT_EQ(allocator.free(), 0);
  allocator.Forget(again[0]);
  allocator.Free(&again);
  EXPECT_EQ(allocator.free(), 1);
}

TEST(BlockAllocatorDeathTest, SharingWhatIsForgottenAborts) {
  BlockAllocator allocator(1);
  EXPECT_DEATH(allocator.Share(0), "");
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
