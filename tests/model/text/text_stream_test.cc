#include <random>

#include "base/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/text/fixtures.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                                bool skip_special_tokens = false) {
  TextStream stream(&tokenizer, skip_special_tokens);
  std::vector<std::string> pieces;
  for (const int32_t id : ids) pieces.push_back(stream.Add(id));
  pieces.push_back(stream.Finish());
  return pieces;
}

void ExpectStreamsAsItDecodes(const Tokenizer& tokenizer, int32_t max_id) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<int32_t> ids(random() % 40);
    // Ids beyond both ends too.
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % (max_id + 10)) - 5;
    const bool skip = random() % 2 == 0;
    std::string joined;
    for (const std::string& piece : Stream(tokenizer, ids, skip)) {
      EXPECT_TRUE(IsValidUtf8(piece));
      joined += piece;
    }
    EXPECT_EQ(joined, tokenizer.Decode(ids, skip));
  }
}

TEST(TextStreamTest, RandomIdsGiveWhatDecodeGives) {
  for (const char* folder :
       {GANTRY_SOURCE_DIR "/deploy/demo/model", GANTRY_TESTDATA "/tokenizers/gpt-2",
        GANTRY_TESTDATA "/tokenizers/llama-spm"}) {
    SCOPED_TRACE(folder);
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Load(folder));
    ExpectStreamsAsItDecodes(*tokenizer, tokenizer->vocab_size());
    ExpectStreamsAsItDecodes(*tokenizer, 260);  // special and byte tokens
  }
}

TEST(TextStreamTest, RandomTextComesBack) {
  std::mt19937 random(9);
  for (const char* folder :
       {GANTRY_SOURCE_DIR "/deploy/demo/model", GANTRY_TESTDATA "/tokenizers/gpt-2",
        GANTRY_TESTDATA "/tokenizers/llama-spm"}) {
    SCOPED_TRACE(folder);
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Load(folder));
    for (int round = 0; round < 300; ++round) {
      std::string text = "x";  // some models do not keep a first space
      for (int length = random() % 60; length > 0; --length) {
        const char32_t starts[] = {' ', 'a', '\n', 0xc0, 0x300, 0x4e00, 0x2000, 0x1f600};
        AppendUtf8(starts[random() % 8] + random() % 26, &text);
      }
      GANTRY_ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer->Encode(MarkedText(text), true));
      std::string joined;
      for (const std::string& piece : Stream(*tokenizer, ids, true)) joined += piece;
      EXPECT_EQ(joined, text);
    }
  }
}

TEST(TextStreamTest, CharactersComeWhole) {
  const auto tokenizer = MustMake(LlamaTokenizer());
  EXPECT_THAT(Stream(*tokenizer, {257, 0xf0, 0x9f, 0x99, 0x82, 258}),
              ElementsAre("a", "", "", "", "\xf0\x9f\x99\x82", "b", ""));
  const auto bytes = MustMake(ByteLevelTokenizer({}));
  EXPECT_THAT(Stream(*bytes, {'a', 0xf0, 0x9f, 0x99, 0x82, 'b'}),
              ElementsAre("a", "", "", "", "\xf0\x9f\x99\x82", "b", ""));
}

TEST(TextStreamTest, FirstSpaceIsNeverSent) {
  const auto tokenizer = MustMake(LlamaTokenizer());
  EXPECT_THAT(Stream(*tokenizer, {256, 257, 256, 256, 258}),
              ElementsAre("", "a", " ", " ", "b", ""));
  EXPECT_THAT(Stream(*tokenizer, {261, 256, 257}, true), ElementsAre("", "", "a", ""));
  // A space among bytes is the same space.
  EXPECT_THAT(Stream(*tokenizer, {0x20, 0x20}), ElementsAre("", " ", ""));
}

TEST(TextStreamTest, BytesThatAreNoCharacterAreReplaced) {
  const auto tokenizer = MustMake(LlamaTokenizer());
  EXPECT_THAT(Stream(*tokenizer, {0xe4, 0xbd, 257}), ElementsAre("", "",
                                                                 "\xef\xbf\xbd\xef\xbf\xbd"
                                                                 "a",
                                                                 ""));
  EXPECT_THAT(Stream(*tokenizer, {0xff, 0xc3}), ElementsAre("\xef\xbf\xbd", "", "\xef\xbf\xbd"));
  // What is whole before them stays.
  EXPECT_EQ(tokenizer->Decode({0xc3, 0xa9, 0xc3}, false), "\xc3\xa9\xef\xbf\xbd");
  const auto bytes = MustMake(ByteLevelTokenizer({}));
  EXPECT_THAT(Stream(*bytes, {0xe4, 0xbd}), ElementsAre("", "", "\xef\xbf\xbd"));
}

TEST(TextStreamTest, UnknownIdsAreSkipped) {
  const auto tokenizer = MustMake(LlamaTokenizer());
  EXPECT_EQ(tokenizer->Decode({257, -1, 1 << 30, 263, 258}, false), "ab");
}

}  // namespace
}  // namespace gantry
