#include "model/text/tokenizer_json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/text/fixtures.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<int32_t> Encode(const Tokenizer& tokenizer, const MarkedText& text,
                            bool add_special_tokens = false) {
  absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text, add_special_tokens);
  EXPECT_THAT(ids, IsOk());
  return ids.ok() ? *ids : std::vector<int32_t>();
}
std::vector<int32_t> Encode(const Tokenizer& tokenizer, const std::string& text) {
  return Encode(tokenizer, MarkedText(text));
}

Json AddedToken(int id, const std::string& content, const std::vector<std::string>& flags) {
  Json token = {{"id", id}, {"content", content}, {"normalized", false}};
  for (const std::string& flag : flags) token[flag] = true;
  return token;
}

TEST(TokenizerJsonTest, Llama3Kind) {
  Json json = ByteLevelTokenizer({{"Ġ", "g"}, {"Ġg", "o"}, {"č", "Ċ"}});
  json["added_tokens"] = {AddedToken(259, "<|begin|>", {"special"})};
  json["post_processor"] = MustParse(R"({"type":"Sequence","processors":[
      {"type":"ByteLevel"},
      {"type":"TemplateProcessing",
       "single":[{"SpecialToken":{"id":"B","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
                 {"SpecialToken":{"id":"E","type_id":0}}],
       "pair":[],
       "special_tokens":{"B":{"id":"B","ids":[259],"tokens":["B"]},
                         "E":{"id":"E","ids":[1,2],"tokens":["E"]}}}]})");
  const auto tokenizer = MustMake(json);
  const std::vector<int32_t> ids = Encode(*tokenizer, " go go\r\n");
  EXPECT_THAT(ids, ElementsAre(257, 257, 258));
  EXPECT_EQ(tokenizer->Decode(ids, false), " go go\r\n");
  EXPECT_THAT(Encode(*tokenizer, MarkedText("!"), true), ElementsAre(259, '!', 1, 2));
  EXPECT_THAT(Encode(*tokenizer, MarkedText(""), true), ElementsAre(259, 1, 2));
  EXPECT_EQ(tokenizer->vocab_size(), 260);
  EXPECT_EQ(tokenizer->TokenId("<|begin|>"), 259);
  EXPECT_EQ(tokenizer->TokenId("Ġgo"), 257);
  EXPECT_EQ(tokenizer->TokenId("nothing"), -1);
  EXPECT_TRUE(tokenizer->IsSpecial(259));
  EXPECT_FALSE(tokenizer->IsSpecial(257));
  EXPECT_FALSE(tokenizer->IsSpecial(-1));
}

TEST(TokenizerJsonTest, Qwen2KindComposes) {
  Json json = ByteLevelTokenizer({});
  json["pre_tokenizer"] = SplitThenByteLevel(kQwen2Expression);
  json["normalizer"] = {{"type", "NFC"}};
  const auto tokenizer = MustMake(json);
  EXPECT_EQ(Encode(*tokenizer, "e\xcc\x81"), Encode(*tokenizer, "\xc3\xa9"));
  EXPECT_THAT(Encode(*tokenizer, "e\xcc\x81"), ElementsAre(0xc3, 0xa9));
}

TEST(TokenizerJsonTest, Llama2KindPrependsToEachSegment) {
  Json json = LlamaTokenizer();
  json.erase("pre_tokenizer");
  json["normalizer"] = {
      {"type", "Sequence"},
      {"normalizers",
       {{{"type", "Prepend"}, {"prepend", kMetaspace}},
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kMetaspace}}}}};
  const auto tokenizer = MustMake(json);
  EXPECT_THAT(Encode(*tokenizer, "ab c</s>a"), ElementsAre(256, 260, 256, 259, 262, 256, 257));
  EXPECT_THAT(Encode(*tokenizer, ""), IsEmpty());
}

TEST(TokenizerJsonTest, MetaspaceFirstPrependsAtTheStartOnly) {
  const auto tokenizer = MustMake(LlamaTokenizer());
  EXPECT_THAT(Encode(*tokenizer, "ab</s>a"), ElementsAre(256, 260, 262, 257));
  EXPECT_THAT(Encode(*tokenizer, "<s>a"), ElementsAre(261, 257));
}

TEST(TokenizerJsonTest, AddedTokensTakeTheLongest) {
  Json json = ByteLevelTokenizer({});
  json["added_tokens"] = {AddedToken(256, "<a>", {}), AddedToken(257, "<a><b>", {}),
                          AddedToken(258, "<b>", {})};
  const auto tokenizer = MustMake(json);
  EXPECT_THAT(Encode(*tokenizer, "<a><b><a>x<b>"), ElementsAre(257, 256, 'x', 258));
  EXPECT_THAT(Encode(*tokenizer, "<a><"), ElementsAre(256, '<'));
}

TEST(TokenizerJsonTest, AddedTokensStripAndStandAlone) {
  Json json = ByteLevelTokenizer({});
  json["added_tokens"] = {AddedToken(256, "<l>", {"lstrip"}), AddedToken(257, "<r>", {"rstrip"}),
                          AddedToken(258, "word", {"single_word"})};
  const auto tokenizer = MustMake(json);
  EXPECT_THAT(Encode(*tokenizer, "a \n<l> b"), ElementsAre('a', 256, ' ', 'b'));
  EXPECT_THAT(Encode(*tokenizer, "a <r>\xe3\x80\x80 b"), ElementsAre('a', ' ', 257, 'b'));
  EXPECT_THAT(Encode(*tokenizer, "<r> <l>"), ElementsAre(257, 256));
  EXPECT_THAT(Encode(*tokenizer, "(word)"), ElementsAre('(', 258, ')'));
  EXPECT_THAT(Encode(*tokenizer, "words"), ElementsAre('w', 'o', 'r', 'd', 's'));
  EXPECT_EQ(Encode(*tokenizer, "\xc3\xa9word").size(), 6);
}

// Each line break would look through all the others.
TEST(TokenizerJsonTest, TokensOfWhiteSpaceThatStripTakeLinearTime) {
  Json json = ByteLevelTokenizer({});
  for (const char* flag : {"lstrip", "rstrip"}) {
    json["added_tokens"] = {AddedToken(256, "\n", {flag})};
    const auto tokenizer = MustMake(json);
    EXPECT_EQ(Encode(*tokenizer, "a \n b").size(), 4);
    EXPECT_EQ(Encode(*tokenizer, std::string(2'000'000, '\n')).size(), 2'000'000);
  }
}

TEST(TokenizerJsonTest, NormalizedTokensAreFoundInNormalText) {
  Json json = ByteLevelTokenizer({});
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = {{{"id", 256}, {"content", "<e\xcc\x81>"}, {"normalized", true}},
                          {{"id", 257}, {"content", "<o\xcc\x81>"}, {"normalized", false}}};
  const auto tokenizer = MustMake(json);
  EXPECT_THAT(Encode(*tokenizer, "<\xc3\xa9><e\xcc\x81>"), ElementsAre(256, 256));
  EXPECT_THAT(Encode(*tokenizer, "<o\xcc\x81>"), ElementsAre(257));
  EXPECT_EQ(Encode(*tokenizer, "<\xc3\xb3>").size(), 4);
}

TEST(TokenizerJsonTest, UsersBytesAreNoTokens) {
  Json json = ByteLevelTokenizer({{"<", "s"}});
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = {AddedToken(257, "<s>", {"special"}),
                          AddedToken(258, "</s>", {"special"}),
                          {{"id", 259}, {"content", "<n>"}, {"normalized", true}},
                          {{"id", 260}, {"content", "<\xc3\xa9>"}, {"normalized", true}}};
  const auto tokenizer = MustMake(json);
  const std::string all = "<s></s><n><e\xcc\x81>";
  EXPECT_THAT(Encode(*tokenizer, all), ElementsAre(257, 258, 259, 260));
  const std::vector<int32_t> typed = Encode(*tokenizer, Mark({"<s>", all, "</s>"}));
  ASSERT_GT(typed.size(), 2);
  EXPECT_EQ(typed.front(), 257);
  EXPECT_EQ(typed.back(), 258);
  const std::vector<int32_t> plain(typed.begin() + 1, typed.end() - 1);
  for (const int32_t id : plain) EXPECT_LT(id, 257);
  EXPECT_EQ(tokenizer->Decode(plain, false), "<s></s><n><\xc3\xa9>");
  // A token that only begins or ends in a user's text is none either.
  for (const int32_t id : Encode(*tokenizer, Mark({"<", "s", "></", "s>"}))) EXPECT_LT(id, 257);
  // A shorter token before it is.
  EXPECT_THAT(Encode(*tokenizer, Mark({"<n>", "e", "<n>"})), ElementsAre(259, 'e', 259));
}

TEST(TokenizerJsonTest, UsersTextIsCutAndMergedLikeAnyOther) {
  const auto tokenizer = MustMake(ByteLevelTokenizer({{"Ġ", "g"}, {"Ġg", "o"}}));
  EXPECT_EQ(Encode(*tokenizer, Mark({"x ", "g", "o go"})), Encode(*tokenizer, "x go go"));
}

TEST(TokenizerJsonTest, RefusesBadText) {
  const auto tokenizer = MustMake(LlamaTokenizer());
  for (const std::string& text :
       {std::string("\xff"), std::string("a\xc3"), std::string("\xed\xa0\x80"),
        std::string("\xc0\x80"), std::string("\xf4\x90\x80\x80")}) {
    EXPECT_THAT(tokenizer->Encode(MarkedText(text), false),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
  }
  EXPECT_THAT(tokenizer->Encode(MarkedText(std::string((16 << 20) + 1, 'a')), false),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("16777216")));
  const std::vector<std::vector<MarkedText::Span>> kBadSpans = {
      {{0, 3}}, {{1, 1}}, {{1, 2}, {0, 1}}, {{0, 2}, {1, 2}}};
  for (const auto& spans : kBadSpans) {
    MarkedText text("ab");
    text.user = spans;
    EXPECT_THAT(tokenizer->Encode(text, false),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("span")));
  }
  EXPECT_THAT(Encode(*tokenizer, std::string("\0", 1)), ElementsAre(256, 0));
}

TEST(TokenizerJsonTest, RefusesBadFiles) {
  const Json good = LlamaTokenizer();
  ASSERT_THAT(ParseTokenizerJson(good, "f"), IsOk());
  const struct {
    const char* patch;  // a JSON merge patch of the good file
    absl::StatusCode code;
    const char* message;
  } kCases[] = {
      {R"({"model":null})", absl::StatusCode::kInvalidArgument, "model: absent"},
      {R"({"model":7})", absl::StatusCode::kInvalidArgument, "expected an object"},
      {R"({"model":{"type":"Unigram"}})", absl::StatusCode::kInvalidArgument, "[TOKEN, SCORE]"},
      {R"({"model":{"type":"Unknown"}})", absl::StatusCode::kUnimplemented, "Unknown"},
      {R"({"model":{"dropout":0.1}})", absl::StatusCode::kUnimplemented, "dropout"},
      {R"({"model":{"dropout":"x"}})", absl::StatusCode::kInvalidArgument, "dropout"},
      {R"({"model":{"continuing_subword_prefix":"##"}})", absl::StatusCode::kInvalidArgument, "##"},
      {R"({"model":{"end_of_word_suffix":7}})", absl::StatusCode::kInvalidArgument, "end_of_word"},
      {R"({"model":{"unk_token":"none"}})", absl::StatusCode::kInvalidArgument, "none"},
      {R"({"model":{"vocab":[]}})", absl::StatusCode::kInvalidArgument, "vocab"},
      {R"({"model":{"vocab":{"z":-1}}})", absl::StatusCode::kInvalidArgument, "id -1"},
      {R"({"model":{"vocab":{"z":1.5}}})", absl::StatusCode::kInvalidArgument, "integer"},
      {R"({"model":{"vocab":{"z":0}}})", absl::StatusCode::kInvalidArgument, "both"},
      {R"({"model":{"vocab":{"z":4194304}}})", absl::StatusCode::kInvalidArgument, "4194304"},
      {R"({"model":{"vocab":{"z":4194303}}})", absl::StatusCode::kInvalidArgument, "only 262"},
      {R"({"model":{"vocab":{"z":18446744073709551615}}})", absl::StatusCode::kInvalidArgument,
       "id -1"},
      {R"({"model":{"vocab":{"ab":null}}})", absl::StatusCode::kInvalidArgument, "merges[0]"},
      {R"({"model":{"merges":null}})", absl::StatusCode::kInvalidArgument, "merges"},
      {R"({"model":{"merges":["ab"]}})", absl::StatusCode::kInvalidArgument, "merges[0]"},
      {R"({"model":{"merges":["a b c"]}})", absl::StatusCode::kInvalidArgument, "merges[0]"},
      {R"({"model":{"merges":[["a"]]}})", absl::StatusCode::kInvalidArgument, "merges[0]"},
      {R"({"model":{"merges":[["a",1]]}})", absl::StatusCode::kInvalidArgument, "merges[0]"},
      {R"({"model":{"merges":["a b","b c"]}})", absl::StatusCode::kInvalidArgument, "bc"},
      {R"({"added_tokens":{}})", absl::StatusCode::kInvalidArgument, "added_tokens"},
      {R"({"added_tokens":[1]})", absl::StatusCode::kInvalidArgument, "added_tokens[0]"},
      {R"({"added_tokens":[{"id":300,"content":""}]})", absl::StatusCode::kInvalidArgument,
       "empty"},
      {R"({"added_tokens":[{"id":-1,"content":"x"}]})", absl::StatusCode::kInvalidArgument, "id"},
      {R"({"added_tokens":[{"id":1e9,"content":"x"}]})", absl::StatusCode::kInvalidArgument, "id"},
      {R"({"added_tokens":[{"id":5,"content":"x"}]})", absl::StatusCode::kInvalidArgument,
       "<0x05>"},
      {R"({"added_tokens":[{"id":300,"content":"ab"}]})", absl::StatusCode::kInvalidArgument,
       "260"},
      {R"({"added_tokens":[{"id":300,"content":"x"},{"id":300,"content":"y"}]})",
       absl::StatusCode::kInvalidArgument, "twice"},
      {R"({"added_tokens":[{"id":300,"content":"x"},{"id":301,"content":"x"}]})",
       absl::StatusCode::kInvalidArgument, "twice"},
      {R"({"added_tokens":[{"id":300,"content":"x","normalized":true}],
           "normalizer":{"type":"Replace","pattern":{"String":"x"},"content":""}})",
       absl::StatusCode::kInvalidArgument, "normalised"},
      {R"({"normalizer":{"type":"NFQ"}})", absl::StatusCode::kUnimplemented, "NFKC"},
      {R"({"normalizer":{"type":"Sequence","normalizers":[{"type":"Uppercase"}]}})",
       absl::StatusCode::kUnimplemented, "Lowercase"},
      {R"({"pre_tokenizer":{"type":"UnicodeScripts"}})", absl::StatusCode::kUnimplemented,
       "Whitespace"},
      {R"({"decoder":{"type":"CTC","decoders":null}})", absl::StatusCode::kUnimplemented,
       "WordPiece"},
      {R"({"decoder":{"type":"Strip","content":" ","start":-1,"stop":0}})",
       absl::StatusCode::kInvalidArgument, "start"},
      {R"({"post_processor":{"type":"PairProcessing"}})", absl::StatusCode::kUnimplemented,
       "BertProcessing"},
      {R"({"post_processor":{"type":"TemplateProcessing","single":[]}})",
       absl::StatusCode::kInvalidArgument, "Sequence"},
      {R"({"post_processor":{"type":"TemplateProcessing",
           "single":[{"SpecialToken":{"id":"B"}},{"Sequence":{"id":"A"}}]}})",
       absl::StatusCode::kInvalidArgument, "\"B\""},
      {R"({"post_processor":{"type":"TemplateProcessing",
           "single":[{"SpecialToken":{"id":"B"}},{"Sequence":{"id":"A"}}],
           "special_tokens":{"B":{"ids":[9999]}}}})",
       absl::StatusCode::kInvalidArgument, "9999"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.patch);
    Json json = good;
    json.merge_patch(MustParse(c.patch));
    const auto tokenizer = ParseTokenizerJson(json, "folder/tokenizer.json");
    EXPECT_THAT(tokenizer, StatusIs(c.code, HasSubstr(c.message)));
    EXPECT_THAT(tokenizer, StatusIs(c.code, HasSubstr("folder/tokenizer.json")));
  }
  EXPECT_FALSE(ParseTokenizerJson(Json::array(), "f").ok());
  EXPECT_FALSE(ParseTokenizerJson(Json(), "f").ok());
}

TEST(TokenizerJsonTest, LongAddedTokenIsRefused) {
  Json json = LlamaTokenizer();
  json["added_tokens"] = {AddedToken(300, std::string(513, 'x'), {})};
  EXPECT_THAT(ParseTokenizerJson(json, "f"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("513")));
}

TEST(TokenizerJsonTest, TextThatGrowsTooMuchIsRefused) {
  Json json = LlamaTokenizer();
  json["normalizer"] = {
      {"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(100, 'b')}};
  const auto tokenizer = MustMake(json);
  EXPECT_THAT(tokenizer->Encode(MarkedText(std::string(1 << 20, 'a')), false),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("longer than")));
  EXPECT_THAT(tokenizer->Encode(Mark({"", std::string(1 << 20, 'a')}), false),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("longer than")));
}

TEST(TokenizerJsonTest, WordOfTenMegabytes) {
  const auto tokenizer = MustMake(LlamaTokenizer());
  std::string word;
  while (word.size() < 10'000'000) word += "ab";
  EXPECT_EQ(Encode(*tokenizer, word).size(), 1 + word.size() / 2);
}

}  // namespace
}  // namespace gantry
