#include "model/text/pre_tokenizer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/text/fixtures.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Cut(const Json& config, const std::string& text, bool at_start = true) {
  absl::StatusOr<PreTokenizer> pre_tokenizer = PreTokenizer::Parse(&config);
  EXPECT_THAT(pre_tokenizer, IsOk());
  if (!pre_tokenizer.ok()) return {};
  absl::StatusOr<Pieces> pieces = pre_tokenizer->Apply(Pieces(text, at_start));
  EXPECT_THAT(pieces, IsOk());
  std::vector<std::string> out;
  for (size_t i = 0; pieces.ok() && i < pieces->count(); ++i) {
    out.emplace_back(pieces->piece(i));
  }
  return out;
}

Json Split(const std::string& pattern_kind, const std::string& pattern, const std::string& behavior,
           bool invert = false) {
  return {{"type", "Split"},
          {"pattern", {{pattern_kind, pattern}}},
          {"behavior", behavior},
          {"invert", invert}};
}

Json Metaspace(const std::string& scheme, bool split) {
  return {
      {"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", scheme}, {"split", split}};
}

TEST(PreTokenizerTest, NoneKeepsTheTextWhole) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const PreTokenizer none, PreTokenizer::Parse(nullptr));
  GANTRY_ASSERT_OK_AND_ASSIGN(const Pieces pieces, none.Apply(Pieces("a b", true)));
  ASSERT_EQ(pieces.count(), 1);
  EXPECT_EQ(pieces.piece(0), "a b");
}

TEST(PreTokenizerTest, SplitBehaviors) {
  EXPECT_THAT(Cut(Split("String", "-", "Removed"), "a-b--c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Cut(Split("String", "-", "Isolated"), "a-b--c"),
              ElementsAre("a", "-", "b", "-", "-", "c"));
  EXPECT_THAT(Cut(Split("String", "-", "MergedWithPrevious"), "a-b--c"),
              ElementsAre("a-", "b-", "-", "c"));
  EXPECT_THAT(Cut(Split("String", "-", "MergedWithNext"), "a-b--c"),
              ElementsAre("a", "-b", "-", "-c"));
  EXPECT_THAT(Cut(Split("String", "-", "Contiguous"), "a-b--c"),
              ElementsAre("a", "-", "b", "--", "c"));
  EXPECT_THAT(Cut(Split("String", "-", "MergedWithNext"), "a-"), ElementsAre("a", "-"));
  EXPECT_THAT(Cut(Split("String", "-", "MergedWithPrevious"), "-a"), ElementsAre("-", "a"));
  EXPECT_THAT(Cut(Split("Regex", "[a-z]+", "Removed", /*invert=*/true), "ab-cd"),
              ElementsAre("ab", "cd"));
  EXPECT_THAT(Cut(Split("String", "", "Isolated"), "ab"), ElementsAre("ab"));
  EXPECT_THAT(Cut(Split("Regex", "x*", "Isolated"), "axb"), ElementsAre("a", "x", "b"));
}

TEST(PreTokenizerTest, Digits) {
  EXPECT_THAT(Cut({{"type", "Digits"}, {"individual_digits", true}}, "ab12½"),
              ElementsAre("ab", "1", "2", "½"));
  EXPECT_THAT(Cut({{"type", "Digits"}, {"individual_digits", false}}, "12ab34"),
              ElementsAre("12", "ab", "34"));
}

TEST(PreTokenizerTest, WordsAndPunctuation) {
  EXPECT_THAT(Cut({{"type", "Whitespace"}}, "  it's  naïve—ok… "),
              ElementsAre("it", "'", "s", "naïve", "—", "ok", "…"));
  EXPECT_THAT(Cut({{"type", "WhitespaceSplit"}}, " a.b  c\u3000d"), ElementsAre("a.b", "c", "d"));
  EXPECT_THAT(Cut({{"type", "Punctuation"}}, "a+b!!"), ElementsAre("a", "+", "b", "!", "!"));
  EXPECT_THAT(Cut({{"type", "Punctuation"}, {"behavior", "Contiguous"}}, "a+b!!"),
              ElementsAre("a", "+", "b", "!!"));
  EXPECT_THAT(Cut({{"type", "BertPreTokenizer"}}, " a.b  c"), ElementsAre("a", ".", "b", "c"));
  EXPECT_THAT(Cut({{"type", "CharDelimiterSplit"}, {"delimiter", "·"}}, "a·b··c"),
              ElementsAre("a", "b", "c"));
}

TEST(PreTokenizerTest, WhatTakesTheStartAwayTakesThePrefix) {
  const Json first = Metaspace("first", false);
  for (const char* kind : {"Whitespace", "WhitespaceSplit"}) {
    const Json sequence = {{"type", "Sequence"}, {"pretokenizers", {{{"type", kind}}, first}}};
    EXPECT_THAT(Cut(sequence, "a b"), ElementsAre("_a", "b"));
    EXPECT_THAT(Cut(sequence, " a b"), ElementsAre("a", "b"));
  }
}

TEST(PreTokenizerTest, Metaspace) {
  EXPECT_THAT(Cut(Metaspace("always", true), "a  b"), ElementsAre("_a", "_", "_b"));
  EXPECT_THAT(Cut(Metaspace("always", false), "a b"), ElementsAre("_a_b"));
  EXPECT_THAT(Cut(Metaspace("always", false), " a"), ElementsAre("_a"));
  EXPECT_THAT(Cut(Metaspace("never", false), "a b"), ElementsAre("a_b"));
  EXPECT_THAT(Cut(Metaspace("first", false), "a b"), ElementsAre("_a_b"));
  EXPECT_THAT(Cut(Metaspace("first", false), "a b", /*at_start=*/false), ElementsAre("a_b"));
  EXPECT_THAT(Cut(Metaspace("always", true), ""), IsEmpty());
  // Before prepend_scheme there was add_prefix_space.
  EXPECT_THAT(Cut({{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", true}}, "a"),
              ElementsAre("_a"));
  EXPECT_THAT(Cut({{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}}, "a"),
              ElementsAre("a"));
}

TEST(PreTokenizerTest, FirstIsOnlyThePieceAtTheStart) {
  const Json sequence = {
      {"type", "Sequence"},
      {"pretokenizers", {Split("String", "|", "Removed"), Metaspace("first", false)}}};
  EXPECT_THAT(Cut(sequence, "a|b"), ElementsAre("_a", "b"));
  EXPECT_THAT(Cut(sequence, "|a|b"), ElementsAre("a", "b"));
}

TEST(PreTokenizerTest, ByteLevel) {
  EXPECT_THAT(Cut({{"type", "ByteLevel"}, {"add_prefix_space", false}}, "it's 12 é!!\n\n x"),
              ElementsAre("it", "'s", "Ġ12", "ĠÃ©", "!!", "ĊĊ", "Ġx"));
  EXPECT_THAT(Cut({{"type", "ByteLevel"}, {"add_prefix_space", true}}, "it"), ElementsAre("Ġit"));
  EXPECT_THAT(
      Cut({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}, "it is"),
      ElementsAre("itĠis"));
}

TEST(PreTokenizerTest, Llama3AndQwen2) {
  const std::string text = "I'LL pay $1234 now\r\n\r\n  then  go.\n";
  EXPECT_THAT(Cut(SplitThenByteLevel(kLlama3Expression), text),
              ElementsAre("I", "'LL", "Ġpay", "Ġ$", "123", "4", "Ġnow", "čĊčĊ", "Ġ", "Ġthen", "Ġ",
                          "Ġgo", ".Ċ"));
  EXPECT_THAT(Cut(SplitThenByteLevel(kQwen2Expression), text),
              ElementsAre("I", "'LL", "Ġpay", "Ġ$", "1", "2", "3", "4", "Ġnow", "čĊčĊ", "Ġ",
                          "Ġthen", "Ġ", "Ġgo", ".Ċ"));
}

TEST(PreTokenizerTest, RefusesByName) {
  const struct {
    const char* json;
    absl::StatusCode code;
    const char* message;
  } kCases[] = {
      {R"({"type":"FixedLength"})", absl::StatusCode::kUnimplemented, "FixedLength"},
      {R"({"type":"Sequence","pretokenizers":[{"type":"UnicodeScripts"}]})",
       absl::StatusCode::kUnimplemented, "UnicodeScripts"},
      {R"({"type":"Punctuation","behavior":"Cut"})", absl::StatusCode::kInvalidArgument, "Cut"},
      {R"({"type":"CharDelimiterSplit","delimiter":"ab"})", absl::StatusCode::kInvalidArgument,
       "delimiter"},
      {R"({"type":"Sequence"})", absl::StatusCode::kInvalidArgument, "pretokenizers"},
      {R"({"kind":"Digits"})", absl::StatusCode::kInvalidArgument, "type"},
      {R"(["Digits"])", absl::StatusCode::kInvalidArgument, "expected an object"},
      {R"({"type":"Metaspace","replacement":"__"})", absl::StatusCode::kInvalidArgument,
       "replacement"},
      {R"({"type":"Metaspace","replacement":""})", absl::StatusCode::kInvalidArgument,
       "replacement"},
      {R"({"type":"Metaspace","replacement":"_","prepend_scheme":"last"})",
       absl::StatusCode::kInvalidArgument, "prepend_scheme"},
      {R"({"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"})",
       absl::StatusCode::kInvalidArgument, "regular expression"},
      {R"({"type":"Split","pattern":{"String":"x"},"behavior":"Sideways"})",
       absl::StatusCode::kInvalidArgument, "Sideways"},
      {R"({"type":"Split","pattern":{"Glob":"x"},"behavior":"Isolated"})",
       absl::StatusCode::kInvalidArgument, "pattern"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.json);
    const Json json = MustParse(c.json);
    EXPECT_THAT(PreTokenizer::Parse(&json), StatusIs(c.code, HasSubstr(c.message)));
  }
}

TEST(PreTokenizerTest, TooManyStepsAreRefused) {
  Json steps = Json::array();
  for (int i = 0; i < 65; ++i) steps.push_back({{"type", "Digits"}});
  const Json json = {{"type", "Sequence"}, {"pretokenizers", steps}};
  EXPECT_THAT(PreTokenizer::Parse(&json),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("64")));
}

TEST(PreTokenizerTest, CatastrophicBacktrackingIsAnError) {
  const Json json = Split("Regex", "(a+)+$", "Isolated");
  GANTRY_ASSERT_OK_AND_ASSIGN(const PreTokenizer pre_tokenizer, PreTokenizer::Parse(&json));
  EXPECT_THAT(pre_tokenizer.Apply(Pieces(std::string(1000, 'a') + "b", true)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("(a+)+$")));
}

}  // namespace
}  // namespace gantry
