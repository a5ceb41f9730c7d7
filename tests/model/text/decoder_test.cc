#include "model/text/decoder.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/text/fixtures.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What each token and then the end adds to the text.
std::vector<std::string> Decode(const Json& config, const std::vector<std::string>& tokens) {
  absl::StatusOr<DecoderConfig> decoder =
      DecoderConfig::Parse(config.is_null() ? nullptr : &config);
  EXPECT_THAT(decoder, IsOk());
  std::vector<std::string> pieces;
  if (!decoder.ok()) return pieces;
  const auto ids = decoder->NewIdDecoder([&](int32_t id) { return &tokens[id]; });
  for (size_t i = 0; i < tokens.size(); ++i) {
    pieces.emplace_back();
    ids->Add(static_cast<int32_t>(i), &pieces.back());
  }
  pieces.emplace_back();
  ids->Finish(&pieces.back());
  return pieces;
}

Json Sequence(const std::vector<Json>& decoders) {
  return {{"type", "Sequence"}, {"decoders", decoders}};
}
Json Replace(const std::string& kind, const std::string& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}
Json Strip(const std::string& content, int start, int stop) {
  return {{"type", "Strip"}, {"content", content}, {"start", start}, {"stop", stop}};
}
const Json kFuse = {{"type", "Fuse"}};
const Json kByteFallback = {{"type", "ByteFallback"}};

TEST(DecoderTest, NoneJoinsWithSpaces) {
  EXPECT_THAT(Decode(Json(), {"a", "", "b"}), ElementsAre("a", " ", " b", ""));
}

TEST(DecoderTest, ReplaceIsWithinATokenUntilTheyAreFused) {
  EXPECT_THAT(Decode(Replace("String", "ab", "X"), {"a", "b", "abab"}),
              ElementsAre("a", "b", "XX", ""));
  EXPECT_THAT(Decode(Sequence({kFuse, Replace("String", "aab", "X")}), {"a", "a", "ab", "a"}),
              ElementsAre("", "", "aX", "", "a"));
  EXPECT_THAT(Decode(Sequence({kFuse, Replace("Regex", "a+", "X")}), {"a", "ab", "a"}),
              ElementsAre("", "", "", "XbX"));
}

TEST(DecoderTest, StripIsOfEachTokenUntilTheyAreFused) {
  EXPECT_THAT(Decode(Strip("_", 1, 1), {"__a__", "_", "b"}), ElementsAre("_a_", "", "b", ""));
  EXPECT_THAT(Decode(Sequence({kFuse, Strip("_", 2, 2)}), {"_", "_", "_a", "_", "__", "b__", "_"}),
              ElementsAre("", "", "_a", "", "_", "__b", "_", ""));
}

TEST(DecoderTest, Metaspace) {
  const Json always = {{"type", "Metaspace"}, {"replacement", "_"}};
  EXPECT_THAT(Decode(always, {"_a", "_b"}), ElementsAre("a", " b", ""));
  const Json never = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "never"}};
  EXPECT_THAT(Decode(never, {"_a", "_b"}), ElementsAre(" a", " b", ""));
}

TEST(DecoderTest, ByteFallback) {
  EXPECT_THAT(Decode(kByteFallback, {"<0xC3>", "<0xa9>", "<0xG0>", "<0x41", "<0x41>"}),
              ElementsAre("", "\xc3\xa9", "<0xG0>", "<0x41", "A", ""));
  // A run of bytes is one token.
  EXPECT_THAT(Decode(Sequence({kByteFallback, Strip("A", 1, 0)}), {"<0x41>", "<0x41>", "A"}),
              ElementsAre("", "A", "", ""));
}

TEST(DecoderTest, ByteLevelKeepsTokensThatAreNotByteLevel) {
  EXPECT_THAT(Decode({{"type", "ByteLevel"}}, {"\xc4\xa0"
                                               "a",
                                               "\xe2\x96\x81", "\xc3\x83", "\xc2\xa9"}),
              ElementsAre(" a", "\xe2\x96\x81", "", "\xc3\xa9", ""));
}

TEST(DecoderTest, WordPiece) {
  EXPECT_THAT(Decode({{"type", "WordPiece"}}, {"##a", "##b", "c", ".", "##", "do not"}),
              ElementsAre("##a", "b", " c", ".", "", " don't", ""));
  EXPECT_THAT(
      Decode({{"type", "WordPiece"}, {"prefix", "@"}, {"cleanup", false}}, {"a", ".", "@b"}),
      ElementsAre("a", " .", "b", ""));
}

TEST(DecoderTest, BpeDecoderHoldsTheLastTokenBack) {
  EXPECT_THAT(Decode({{"type", "BPEDecoder"}}, {"a", "b</w>", "c</w>"}),
              ElementsAre("", "a", "b ", "c"));
  EXPECT_THAT(Decode({{"type", "BPEDecoder"}, {"suffix", ""}}, {"a", "b"}),
              ElementsAre("", "a", "b"));
  EXPECT_THAT(Decode({{"type", "BPEDecoder"}}, {}), ElementsAre(""));
}

TEST(DecoderTest, RefusesByName) {
  for (const char* json :
       {R"({"type":"CTC"})", R"({"type":"Sequence","decoders":[{"type":"CTC"}]})"}) {
    const Json config = MustParse(json);
    EXPECT_THAT(DecoderConfig::Parse(&config),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("supported are")));
  }
}

}  // namespace
}  // namespace gantry
