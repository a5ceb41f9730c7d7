#include "plan/caching_allocator.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace gantry {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(CachingAllocatorTest, SmallBlocksShareASegment) {
  CachingAllocator allocator;
  const uint64_t first = allocator.Allocate(1);
  EXPECT_EQ(allocator.Allocate(513), first + 512);
  EXPECT_EQ(allocator.allocated_bytes(), 512 + 1024);
  EXPECT_EQ(allocator.reserved_bytes(), 2 * kMiB);
}

TEST(CachingAllocatorTest, ARestOfOneMebibyteStays) {
  CachingAllocator allocator;
  allocator.Allocate(11 * kMiB);
  EXPECT_EQ(allocator.reserved_bytes(), 12 * kMiB);
  EXPECT_EQ(allocator.allocated_bytes(), 12 * kMiB);
  allocator.Allocate(5 * kMiB);
  EXPECT_EQ(allocator.reserved_bytes(), 32 * kMiB);
  EXPECT_EQ(allocator.allocated_bytes(), 17 * kMiB);
}

TEST(CachingAllocatorTest, TheSmallestGapIsTaken) {
  CachingAllocator allocator;
  allocator.Free(allocator.Allocate(100 * kMiB));
  const uint64_t a = allocator.Allocate(10 * kMiB);
  const uint64_t b = allocator.Allocate(6 * kMiB);
  const uint64_t c = allocator.Allocate(4 * kMiB);
  allocator.Allocate(2 * kMiB);
  allocator.Free(a);
  allocator.Free(c);
  EXPECT_EQ(allocator.Allocate(3 * kMiB), c);
  EXPECT_EQ(allocator.Allocate(9 * kMiB), a);
  // Both gaps left a mebibyte with their blocks.
  EXPECT_EQ(allocator.allocated_bytes(), (10 + 6 + 4 + 2) * kMiB);
  EXPECT_EQ(allocator.reserved_bytes(), 100 * kMiB);
  EXPECT_LT(a, b);
}

TEST(CachingAllocatorTest, WhatIsFreedGrowsTogetherAgain) {
  std::mt19937 random(7);
  CachingAllocator allocator;
  std::vector<uint64_t> live;
  for (int i = 0; i < 5000; ++i) {
    if (live.empty() || random() % 5 < 3) {
      live.push_back(allocator.Allocate(random() % (random() % 2 == 0 ? 9000 : 40 * kMiB)));
    } else {
      std::swap(live[random() % live.size()], live.back());
      allocator.Free(live.back());
      live.pop_back();
    }
    ASSERT_LE(allocator.allocated_bytes(), allocator.reserved_bytes());
  }
  for (uint64_t address : live) allocator.Free(address);
  EXPECT_EQ(allocator.allocated_bytes(), 0);
  const uint64_t reserved = allocator.reserved_bytes();
  allocator.Allocate(20 * kMiB);
  EXPECT_EQ(allocator.reserved_bytes(), reserved);
}

}  // namespace
}  // namespace gantry
