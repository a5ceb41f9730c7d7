#include <string>

#include "base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/text/decoder.h"
#include "model/text/tokenizer.h"
#include "tests/model/text/fixtures.h"
#include "tests/repository.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

std::string Bytes(absl::string_view decoder, const std::string& text, bool first) {
  const Json json = MustParse(decoder);
  const absl::StatusOr<DecoderConfig> config = DecoderConfig::Parse(&json);
  EXPECT_THAT(config, IsOk());
  const absl::StatusOr<std::string> bytes = config->TokenBytes(text, first);
  EXPECT_THAT(bytes, IsOk());
  return bytes.value_or("");
}

TEST(TokenBytesTest, ByteLevelTokensMayBePartsOfCharacters) {
  const char kDecoder[] = R"({"type":"ByteLevel"})";
  EXPECT_EQ(Bytes(kDecoder, "\u0120a", true), " a");
  EXPECT_EQ(Bytes(kDecoder, "\u00e2\u0124", false), "\xe2\x82");
  EXPECT_EQ(Bytes(kDecoder, "\u20ac", false), "\u20ac");  // an added token: itself
}

TEST(TokenBytesTest, TheFirstSpaceOfSentencePieceIsNone) {
  const char kDecoder[] = R"({"type":"Sequence","decoders":[
      {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
      {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})";
  EXPECT_EQ(Bytes(kDecoder, "▁▁a▁b", true), " a b");
  EXPECT_EQ(Bytes(kDecoder, "▁a", false), " a");
  EXPECT_EQ(Bytes(kDecoder, "<0xE2>", false), "\xe2");
  EXPECT_EQ(Bytes(kDecoder, "<0x20>", true), "");
  const char kMetaspaceDecoder[] = R"({"type":"Metaspace","replacement":"▁"})";
  EXPECT_EQ(Bytes(kMetaspaceDecoder, "▁a", true), "a");
  EXPECT_EQ(Bytes(kMetaspaceDecoder, "▁a", false), " a");
}

TEST(TokenBytesTest, WithoutADecoderSpacesStandBetweenTokens) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const DecoderConfig config, DecoderConfig::Parse(nullptr));
  EXPECT_EQ(*config.TokenBytes("a", true), "a");
  EXPECT_EQ(*config.TokenBytes("a", false), " a");
}

TEST(TokenBytesTest, RefusesWhereNeighboursCount) {
  for (const char* decoder : {
           R"({"type":"Sequence","decoders":[{"type":"Fuse"},
              {"type":"Replace","pattern":{"String":"ab"},"content":"c"}]})",
           R"({"type":"Sequence","decoders":[{"type":"Fuse"},
              {"type":"Strip","content":" ","start":0,"stop":1}]})",
       }) {
    const Json json = MustParse(decoder);
    GANTRY_ASSERT_OK_AND_ASSIGN(const DecoderConfig config, DecoderConfig::Parse(&json));
    EXPECT_THAT(config.TokenBytes("a", false),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("around it")));
  }
}

TEST(TokenBytesTest, JoinedTheyAreTheDecodedText) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                              Tokenizer::Load(RepositoryPath("deploy/demo/model")));
  for (const char* text : {"{\"a\": 1}", "\u00e9\u20ac\U0001f600", "a\nb"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> ids,
                                tokenizer->Encode(MarkedText(text), false));
    std::string joined;
    for (size_t i = 0; i < ids.size(); ++i) joined += *tokenizer->TokenBytes(ids[i], i == 0);
    EXPECT_EQ(joined, tokenizer->Decode(ids, true));
    EXPECT_EQ(joined, text);
  }
  EXPECT_EQ(*tokenizer->TokenBytes(tokenizer->vocab_size(), false), "");
}

}  // namespace
}  // namespace gantry
