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
  EXPECT_EQ(Bytes(kDecoder, "<0x20>", false), " ");
  const char kMetaspaceDecoder[] = R"({"type":"Metaspace","replacement":"▁"})";
  EXPECT_EQ(Bytes(kMetaspaceDecoder, "▁a", true), "a");
  EXPECT_EQ(Bytes(kMetaspaceDecoder, "▁a", false), " a");
}

TEST(TokenBytesTest, WithoutADecoderSpacesStandBetweenTokens) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const DecoderConfig config, DecoderConfig::Parse(nullptr));
  EXPECT_EQ(*config.TokenBytes("a", true), "a");
  EXPECT_EQ(*config.TokenBytes("a", false), " a");
}

TEST(TokenBytesTest, WordPiecesBringTheSpaceBeforeThem) {
  const char kDecoder[] = R"({"type":"WordPiece"})";
  EXPECT_EQ(Bytes(kDecoder, "##a", true), "##a");
  EXPECT_EQ(Bytes(kDecoder, "##a", false), "a");
  EXPECT_EQ(Bytes(kDecoder, "a", false), " a");
  EXPECT_EQ(Bytes(kDecoder, ".", false), ".");
}

TEST(TokenBytesTest, NothingIsReplacedInATokenOfNothing) {
  EXPECT_EQ(Bytes(R"({"type":"Replace","pattern":{"Regex":"^"},"content":"x"})", "", false), "");
  EXPECT_EQ(Bytes(R"({"type":"Replace","pattern":{"Regex":"^"},"content":"x"})", "a", false), "xa");
}

TEST(TokenBytesTest, RefusesWhereNeighboursCount) {
  const char* const kJoining[] = {R"({"type":"Fuse"})", R"({"type":"ByteFallback"})",
                                  R"({"type":"ByteLevel"})"};
  const char* const kWhole[] = {
      R"({"type":"Replace","pattern":{"String":"ab"},"content":"c"})",
      R"({"type":"Strip","content":" ","start":0,"stop":1})",
      R"({"type":"Strip","content":" ","start":2,"stop":0})",
      R"({"type":"Strip","content":"▁","start":1,"stop":0})",
      R"({"type":"Metaspace","replacement":"▁"})",
      R"({"type":"WordPiece"})",
      R"({"type":"ByteLevel"})",
      R"({"type":"ByteFallback"})",
      R"({"type":"BPEDecoder"})",
  };
  for (const char* joining : kJoining) {
    for (const char* whole : kWhole) {
      SCOPED_TRACE(absl::StrCat(joining, whole));
      const Json json =
          MustParse(absl::StrCat(R"({"type":"Sequence","decoders":[)", joining, ",", whole, "]}"));
      GANTRY_ASSERT_OK_AND_ASSIGN(const DecoderConfig config, DecoderConfig::Parse(&json));
      EXPECT_THAT(config.TokenBytes("a", false),
                  StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a token's bytes")));
    }
  }
}

TEST(TokenBytesTest, AnIdWithoutTextHasNone) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                              Tokenizer::Load(RepositoryPath("deploy/demo/model")));
  EXPECT_EQ(*tokenizer->TokenBytes(tokenizer->vocab_size(), false), "");
}

}  // namespace
}  // namespace gantry
