#include "model/text/token_model.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/text/fixtures.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

MATCHER_P(HasIds, ids, "") { return arg.ok() && *arg == std::vector<int32_t>(ids); }
std::vector<int32_t> Ids(std::vector<int32_t> ids) { return ids; }

absl::StatusOr<std::vector<int32_t>> Encode(const Json& model, const std::string& piece,
                                            const TokenModel::IdSet* forbidden = nullptr) {
  absl::StatusOr<std::unique_ptr<TokenModel>> parsed = TokenModel::Parse(model);
  EXPECT_THAT(parsed, IsOk());
  if (!parsed.ok()) return parsed.status();
  std::vector<int32_t> ids;
  const absl::Status encoded = (*parsed)->Encode(piece, forbidden, &ids);
  if (!encoded.ok()) return encoded;
  return ids;
}

Json Unigram(const std::vector<std::pair<std::string, double>>& tokens) {
  Json model = {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", Json::array()}};
  for (const auto& [token, score] : tokens) model["vocab"].push_back(Json::array({token, score}));
  return model;
}

TEST(UnigramTest, TakesTheGreatestSum) {
  const Json model = Unigram({{"<unk>", 0}, {"a", -1}, {"b", -1}, {"ab", -1.5}, {"abc", -9}});
  EXPECT_THAT(Encode(model, "aab"), HasIds(Ids({1, 3})));
  EXPECT_THAT(Encode(model, "abc"), HasIds(Ids({4})));
  EXPECT_THAT(Encode(model, ""), HasIds(Ids({})));
}

TEST(UnigramTest, UnknownNeighboursAreOne) {
  Json model = Unigram({{"<unk>", 0}, {"a", -1}, {"<0xC3>", 0}, {"<0xA9>", 0}});
  EXPECT_THAT(Encode(model, "aééa"), HasIds(Ids({1, 0, 1})));
  model["byte_fallback"] = true;
  EXPECT_THAT(Encode(model, "aéa"), HasIds(Ids({1, 2, 3, 1})));
  EXPECT_THAT(Encode(model, "aéz"), HasIds(Ids({1, 0})));
  model["unk_id"] = nullptr;
  EXPECT_THAT(Encode(model, "az"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no token for \"z\"")));
}

TEST(UnigramTest, RefusesBadVocabularies) {
  const std::string too_long(513, 'a');
  for (const Json& entry :
       {Json("a"), Json::array({"a"}), Json::array({1, 2}), Json::array({"a", "b"}),
        Json::array({"<unk>", 1}), Json::array({too_long, 1})}) {
    Json model = Unigram({{"<unk>", 0}});
    model["vocab"].push_back(entry);
    EXPECT_THAT(TokenModel::Parse(model),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("vocab")))
        << entry;
  }
  Json model = Unigram({{"<unk>", 0}});
  model["unk_id"] = 1;
  EXPECT_THAT(TokenModel::Parse(model),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unk_id")));
  EXPECT_THAT(TokenModel::Parse(Unigram({})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("vocab")));
}

TEST(WordPieceTest, TakesTheLongest) {
  Json model = {{"type", "WordPiece"},
                {"unk_token", "?"},
                {"vocab", {{"?", 0}, {"a", 1}, {"ab", 2}, {"##c", 3}, {"##cc", 4}, {"é", 5}}}};
  EXPECT_THAT(Encode(model, "abccc"), HasIds(Ids({2, 4, 3})));
  EXPECT_THAT(Encode(model, "aba"), HasIds(Ids({0})));
  EXPECT_THAT(Encode(model, "é"), HasIds(Ids({5})));
  model["max_input_chars_per_word"] = 2;
  EXPECT_THAT(Encode(model, "abc"), HasIds(Ids({0})));
  model.erase("unk_token");
  EXPECT_THAT(Encode(model, "abc"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no token for")));
}

TEST(WordLevelTest, WholePieces) {
  Json model = {{"type", "WordLevel"}, {"unk_token", "?"}, {"vocab", {{"?", 0}, {"a b", 1}}}};
  EXPECT_THAT(Encode(model, "a b"), HasIds(Ids({1})));
  EXPECT_THAT(Encode(model, "a"), HasIds(Ids({0})));
  model.erase("unk_token");
  EXPECT_THAT(Encode(model, "a"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"a\"")));
}

// Each model would make of "xx" the token that is forbidden.
TEST(TokenModelTest, ForbiddenIdsAreNotMade) {
  const Json vocab = {{"?", 0}, {"x", 1}, {"xx", 2}, {"##x", 3}};
  const TokenModel::IdSet forbidden = {2};
  Json bpe = {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"x x"}}};
  for (const bool ignore_merges : {false, true}) {
    bpe["ignore_merges"] = ignore_merges;
    EXPECT_THAT(Encode(bpe, "xx"), HasIds(Ids({2})));
    EXPECT_THAT(Encode(bpe, "xx", &forbidden), HasIds(Ids({1, 1})));
  }
  const Json unigram = Unigram({{"?", 0}, {"x", -9}, {"xx", -1}});
  EXPECT_THAT(Encode(unigram, "xx"), HasIds(Ids({2})));
  EXPECT_THAT(Encode(unigram, "xx", &forbidden), HasIds(Ids({1, 1})));
  const Json pieces = {{"type", "WordPiece"}, {"vocab", vocab}};
  EXPECT_THAT(Encode(pieces, "xx"), HasIds(Ids({2})));
  EXPECT_THAT(Encode(pieces, "xx", &forbidden), HasIds(Ids({1, 3})));
  const Json words = {{"type", "WordLevel"}, {"unk_token", "?"}, {"vocab", vocab}};
  EXPECT_THAT(Encode(words, "xx"), HasIds(Ids({2})));
  EXPECT_THAT(Encode(words, "xx", &forbidden), HasIds(Ids({0})));
}

// T5's vocabulary has </s>, and of the normaliser's full-width forms come ASCII's.
TEST(TokenModelTest, UsersMakeNoSpecialTokens) {
  Json json;
  json["model"] = Unigram({{"<unk>", 0}, {"</s>", 0}, {"<", -9}, {"/", -9}, {"s", -9}, {">", -9}});
  json["normalizer"] = {{"type", "NFKC"}};
  json["added_tokens"] = {{{"id", 0}, {"content", "<unk>"}, {"special", true}},
                          {{"id", 1}, {"content", "</s>"}, {"special", true}}};
  const std::unique_ptr<Tokenizer> tokenizer = MustMake(json);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_THAT(tokenizer->Encode(Mark({"</s>"}), false), HasIds(Ids({1})));
  EXPECT_THAT(tokenizer->Encode(Mark({"", "</s>", "</s>"}), false), HasIds(Ids({2, 3, 4, 5, 1})));
  EXPECT_THAT(tokenizer->Encode(Mark({"", "＜/s＞"}), false), HasIds(Ids({2, 3, 4, 5})));
}

}  // namespace
}  // namespace gantry
