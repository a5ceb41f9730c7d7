#include "coordinator/prefix_cache.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

class PrefixCacheTest : public ::testing::Test {
 protected:
  // A block that one sequence holds.
  uint32_t NewBlock() {
    std::vector<uint32_t> block;
    EXPECT_TRUE(blocks_.Allocate(1, &block));
    return block[0];
  }
  void Free(uint32_t block) {
    std::vector<uint32_t> one = {block};
    blocks_.Free(&one);
  }
  PrefixCache::Next Next(uint64_t before, const std::vector<int32_t>& ids, int64_t rope = 0) const {
    return {before, &owner_, rope, ids};
  }

  const std::string owner_ = "somebody";
  const std::string other_ = "other";
  const std::vector<int32_t> ab_ = {1, 2};
  const std::vector<int32_t> cd_ = {3, 4};
  BlockAllocator blocks_{4};
  PrefixCache cache_{2, &blocks_};
};

TEST_F(PrefixCacheTest, FindsWhatWasAdded) {
  const uint32_t block = NewBlock();
  const uint64_t id = cache_.Add(Next(0, ab_), block);
  const PrefixCache::Entry* const found = cache_.Find(Next(0, ab_));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->block, block);
  EXPECT_EQ(found->id, id);
  EXPECT_TRUE(cache_.Holds(*found));
}

TEST_F(PrefixCacheTest, AllThatKeysDependOnCounts) {
  const uint64_t id = cache_.Add(Next(0, ab_), NewBlock());
  EXPECT_EQ(cache_.Find(Next(0, cd_)), nullptr);
  EXPECT_EQ(cache_.Find(Next(id, ab_)), nullptr);
  EXPECT_EQ(cache_.Find(Next(0, ab_, 7)), nullptr);
  PrefixCache::Next other = Next(0, ab_);
  other.owner = &other_;
  EXPECT_EQ(cache_.Find(other), nullptr);
  cache_.Add(Next(id, cd_), NewBlock());
  EXPECT_NE(cache_.Find(Next(id, cd_)), nullptr);
}

TEST_F(PrefixCacheTest, ASecondBlockOfTheSameIsNotKept) {
  const uint32_t first = NewBlock();
  const uint32_t second = NewBlock();
  const uint64_t id = cache_.Add(Next(0, ab_), first);
  EXPECT_EQ(cache_.Add(Next(0, ab_), second), id);
  EXPECT_EQ(cache_.Find(Next(0, ab_))->block, first);
  EXPECT_FALSE(cache_.Holds({id, second}));
}

TEST_F(PrefixCacheTest, FreedBlocksAreFoundUntilTheyAreNeeded) {
  const uint32_t block = NewBlock();
  const uint64_t id = cache_.Add(Next(0, ab_), block);
  Free(block);
  EXPECT_EQ(blocks_.free(), 4);
  for (int i = 0; i < 3; ++i) NewBlock();
  ASSERT_NE(cache_.Find(Next(0, ab_)), nullptr);
  EXPECT_EQ(NewBlock(), block);
  EXPECT_EQ(cache_.Find(Next(0, ab_)), nullptr);
  EXPECT_FALSE(cache_.Holds({id, block}));
  // What followed it is not found by what the block holds now.
  EXPECT_NE(cache_.Add(Next(0, ab_), block), id);
}

TEST_F(PrefixCacheTest, WhatIsForgottenIsFreeAgain) {
  const uint32_t block = NewBlock();
  cache_.Add(Next(0, ab_), block);
  Free(block);
  cache_.Forget(block);
  cache_.Forget(block);
  EXPECT_EQ(cache_.size(), 0);
  EXPECT_EQ(blocks_.free(), 4);
  for (int i = 0; i < 4; ++i) NewBlock();
}

}  // namespace
}  // namespace gantry
