#include "worker/sequence_table.h"

#include "gtest/gtest.h"
#include "proto/step_frame.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::SequenceSlice MakeSlice(uint64_t sequence, uint32_t start, int tokens,
                            const std::vector<uint32_t>& blocks) {
  v1::SequenceSlice slice;
  slice.set_sequence(sequence);
  slice.set_start(start);
  for (int i = 0; i < tokens; ++i) slice.add_token_ids(static_cast<int32_t>(start) + i);
  for (const uint32_t block : blocks) slice.add_new_blocks(block);
  return slice;
}

TEST(SequenceTableTest, AppendsTokensAndBlocks) {
  SequenceTable table(8, 4);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 0, 4, {5})));
  GANTRY_ASSERT_OK(table.Append(MakeSlice(2, 0, 1, {7})));
  GANTRY_ASSERT_OK_AND_ASSIGN(StageSequence * sequence, table.Append(MakeSlice(1, 4, 5, {2, 0})));
  EXPECT_THAT(sequence->blocks, ElementsAre(5, 2, 0));
  EXPECT_THAT(sequence->token_ids, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(table.used_blocks(), 4);
  EXPECT_EQ(table.size(), 2);
}

TEST(SequenceTableTest, BlocksMayComeAhead) {
  SequenceTable table(8, 4);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 0, 1, {0, 1})));
  GANTRY_EXPECT_OK(table.Append(MakeSlice(1, 1, 7, {})));
}

TEST(SequenceTableTest, ReleasedBlocksAndNumbersMayComeAgain) {
  SequenceTable table(2, 4);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 0, 8, {0, 1})));
  table.Release(1);
  table.Release(1);
  table.Release(99);
  EXPECT_EQ(table.used_blocks(), 0);
  GANTRY_EXPECT_OK(table.Append(MakeSlice(1, 0, 8, {1, 0})));
}

// A slice that begins with blocks that others have filled.
v1::SequenceSlice MakeSharing(uint64_t sequence, int prefix, int tokens,
                              const std::vector<uint32_t>& blocks) {
  v1::SequenceSlice slice = MakeSlice(sequence, prefix, tokens, blocks);
  for (int i = 0; i < prefix; ++i) slice.add_prefix_token_ids(i);
  return slice;
}

TEST(SequenceTableTest, FullBlocksHaveSeveralUsers) {
  SequenceTable table(8, 4);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 0, 6, {5, 3})));
  GANTRY_ASSERT_OK_AND_ASSIGN(StageSequence * sequence, table.Append(MakeSharing(2, 4, 1, {5, 6})));
  EXPECT_THAT(sequence->blocks, ElementsAre(5, 6));
  EXPECT_THAT(sequence->token_ids, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(table.used_blocks(), 3);
  table.Release(1);
  EXPECT_EQ(table.used_blocks(), 2);
  EXPECT_FALSE(table.Append(MakeSlice(3, 0, 1, {5})).ok());
  table.Release(2);
  EXPECT_EQ(table.used_blocks(), 0);
}

TEST(SequenceTableTest, AFreedBlockIsSharedUntilItIsHandedOut) {
  SequenceTable table(8, 4);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 0, 4, {5})));
  table.Release(1);
  GANTRY_ASSERT_OK(table.Append(MakeSharing(2, 4, 1, {5, 6})));
  table.Release(2);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(3, 0, 3, {5})));
  EXPECT_THAT(
      table.Append(MakeSharing(4, 4, 1, {5, 6})),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("block 5 is to hold a prefix")));
}

TEST(SequenceTableTest, NobodyBeginsWithTheBlocksOfAFailedSequence) {
  SequenceTable table(8, 4);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 0, 4, {5})));
  GANTRY_ASSERT_OK(table.Append(MakeSharing(2, 4, 4, {5, 6})));
  table.Fail(2, "non-finite");
  EXPECT_THAT(table.Append(MakeSharing(3, 8, 1, {5, 6, 7})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("block 6")));
  GANTRY_EXPECT_OK(table.Append(MakeSharing(4, 4, 1, {5, 7})));
}

TEST(SequenceTableTest, ATokenThatWasSampledMayBeFedBackOnce) {
  SequenceTable table(8, 4);
  v1::SequenceSlice fed_back = MakeSlice(1, 3, 0, {});
  fed_back.add_token_ids(kSampledToken);
  GANTRY_ASSERT_OK_AND_ASSIGN(StageSequence * sequence, table.Append(MakeSlice(1, 0, 3, {5})));
  sequence->sampled = 42;
  GANTRY_ASSERT_OK(table.Append(fed_back));
  EXPECT_THAT(sequence->token_ids, ElementsAre(0, 1, 2, 42));
  fed_back.set_start(4);
  fed_back.add_new_blocks(6);
  EXPECT_THAT(table.Append(fed_back),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no token was sampled")));
}

TEST(SequenceTableTest, ATokenOfTheCallerReplacesTheOneThatWasSampled) {
  SequenceTable table(8, 4);
  GANTRY_ASSERT_OK_AND_ASSIGN(StageSequence * sequence, table.Append(MakeSlice(1, 0, 2, {5})));
  sequence->sampled = 42;
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 2, 1, {})));
  EXPECT_THAT(sequence->token_ids, ElementsAre(0, 1, 2));
  EXPECT_FALSE(sequence->sampled.has_value());
}

struct BadAppend {
  std::string name;
  v1::SequenceSlice slice;
  std::string expected;
};

class BadAppends : public ::testing::TestWithParam<BadAppend> {};

TEST_P(BadAppends, AreInvalidAndChangeNoBlocks) {
  SequenceTable table(8, 4);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 0, 3, {5})));
  EXPECT_THAT(table.Append(GetParam().slice),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().expected)));
  EXPECT_EQ(table.used_blocks(), 1);
  EXPECT_EQ(table.size(), 1);
}

INSTANTIATE_TEST_SUITE_P(
    A1, BadAppends,
    ::testing::Values(
        BadAppend{"UnknownSequence", MakeSlice(2, 3, 1, {0}), "unknown sequence"},
        BadAppend{"Gap", MakeSlice(1, 4, 1, {0}), "start: expected 3, found 4"},
        BadAppend{"Overlap", MakeSlice(1, 2, 1, {}), "start: expected 3, found 2"},
        BadAppend{"BeginsAgain", MakeSlice(1, 0, 1, {0}), "start: expected 3, found 0"},
        BadAppend{"BlockBeyond", MakeSlice(2, 0, 1, {8}), "below 8, found 8"},
        BadAppend{"BlockHuge", MakeSlice(2, 0, 1, {UINT32_MAX}), "below 8"},
        BadAppend{"BlockOfAnother", MakeSlice(2, 0, 1, {5}), "block 5 is in use"},
        BadAppend{"OwnBlock", MakeSlice(1, 3, 2, {5}), "block 5 is in use"},
        BadAppend{"BlockTwice", MakeSlice(2, 0, 5, {1, 1}), "block 1 is in use"},
        BadAppend{"PrefixOfPartOfABlock", MakeSharing(2, 3, 1, {5}), "whole blocks of 4, found 3"},
        BadAppend{"PrefixNotFull", MakeSharing(2, 4, 1, {5, 0}), "block 5 is to hold a prefix"},
        BadAppend{"PrefixNeverFilled", MakeSharing(2, 4, 1, {0, 1}), "block 0 is to hold a prefix"},
        BadAppend{"PrefixBeyond", MakeSharing(2, 4, 1, {8, 1}), "below 8, found 8"},
        BadAppend{"PrefixWithoutBlocks", MakeSharing(2, 4, 1, {}), "need 2 blocks of 4, found 0"},
        BadAppend{"PrefixOfAKnownSequence", MakeSharing(1, 3, 1, {0}), "begins again"},
        BadAppend{"NoBlock", MakeSlice(2, 0, 1, {}), "need 1 blocks of 4, found 0"},
        BadAppend{"TooFewBlocks", MakeSlice(1, 3, 6, {0}), "need 3 blocks of 4, found 2"}),
    [](const auto& info) { return info.param.name; });

TEST(SequenceTableTest, AnErrorFailsTheSequenceForGood) {
  SequenceTable table(8, 4);
  GANTRY_ASSERT_OK(table.Append(MakeSlice(1, 0, 3, {5})));
  EXPECT_FALSE(table.Append(MakeSlice(1, 9, 1, {})).ok());
  EXPECT_THAT(table.Append(MakeSlice(1, 3, 1, {})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("expected 3, found 9")));
  table.Release(1);
  GANTRY_EXPECT_OK(table.Append(MakeSlice(1, 0, 1, {5})));
  table.Fail(1, "because");
  EXPECT_THAT(table.Append(MakeSlice(1, 1, 1, {})),
              StatusIs(absl::StatusCode::kFailedPrecondition, "because"));
}

}  // namespace
}  // namespace gantry
