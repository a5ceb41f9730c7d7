#include "model/text/bpe.h"

#include <limits>
#include <map>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/text/fixtures.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<int32_t> Encode(const Json& model, const std::string& piece) {
  absl::StatusOr<std::unique_ptr<TokenModel>> bpe = TokenModel::Parse(model);
  EXPECT_THAT(bpe, IsOk());
  std::vector<int32_t> ids;
  if (bpe.ok()) {
    EXPECT_THAT((*bpe)->Encode(piece, /*forbidden=*/nullptr, &ids), IsOk());
  }
  return ids;
}

// The definition: again and again the leftmost of the pairs with the lowest rank.
std::vector<std::string> MergeByDefinition(
    std::vector<std::string> symbols,
    const std::map<std::pair<std::string, std::string>, int>& ranks) {
  while (true) {
    int best = std::numeric_limits<int>::max();
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto rank = ranks.find({symbols[i], symbols[i + 1]});
      if (rank != ranks.end() && rank->second < best) {
        best = rank->second;
        at = i;
      }
    }
    if (best == std::numeric_limits<int>::max()) return symbols;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + at + 1);
  }
}

TEST(BpeTest, MergesAsDefined) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    Json vocab = {{"a", 0}, {"b", 1}, {"c", 2}};
    std::vector<std::string> tokens = {"a", "b", "c"};
    Json merges = Json::array();
    std::map<std::pair<std::string, std::string>, int> ranks;
    for (int i = 0; i < 20; ++i) {
      const std::string left = tokens[random() % tokens.size()];
      const std::string right = tokens[random() % tokens.size()];
      const std::string merged = left + right;
      if (merged.size() > 8 || vocab.contains(merged)) continue;
      ranks[{left, right}] = static_cast<int>(merges.size());
      merges.push_back(left + " " + right);
      vocab[merged] = vocab.size();
      tokens.push_back(merged);
    }
    std::string text;
    std::vector<std::string> characters;
    for (int i = 0; i < 40; ++i) {
      characters.emplace_back(1, static_cast<char>('a' + random() % 3));
      text += characters.back();
    }
    std::vector<int32_t> expected;
    for (const std::string& token : MergeByDefinition(characters, ranks)) {
      expected.push_back(vocab[token].get<int32_t>());
    }
    EXPECT_EQ(Encode({{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}, text), expected)
        << text << merges;
  }
}

TEST(BpeTest, UnknownCharacters) {
  Json model = {{"type", "BPE"}, {"vocab", {{"?", 0}, {"a", 1}}}, {"merges", Json::array()}};
  EXPECT_THAT(Encode(model, "axya"), ElementsAre(1, 1));  // dropped
  model["unk_token"] = "?";
  EXPECT_THAT(Encode(model, "axya\xc3\xa9"), ElementsAre(1, 0, 0, 1, 0));
  model["fuse_unk"] = true;
  EXPECT_THAT(Encode(model, "axya\xc3\xa9"), ElementsAre(1, 0, 1, 0));
}

TEST(BpeTest, ByteFallbackNeedsAllBytesOfTheCharacter) {
  Json model = {{"type", "BPE"},
                {"vocab", {{"?", 0}, {"<0xC3>", 1}, {"<0xA9>", 2}}},
                {"merges", Json::array()},
                {"unk_token", "?"},
                {"byte_fallback", true}};
  EXPECT_THAT(Encode(model, "\xc3\xa9\xc3\xa8"), ElementsAre(1, 2, 0));
  model["byte_fallback"] = false;
  EXPECT_THAT(Encode(model, "\xc3\xa9"), ElementsAre(0));
}

TEST(BpeTest, IgnoreMergesTakesWholeTokens) {
  Json model = {
      {"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"aba", 3}}}, {"merges", {"a b"}}};
  EXPECT_THAT(Encode(model, "aba"), ElementsAre(2, 0));
  model["ignore_merges"] = true;
  EXPECT_THAT(Encode(model, "aba"), ElementsAre(3));
  EXPECT_THAT(Encode(model, "abab"), ElementsAre(2, 2));
  EXPECT_THAT(Encode(model, ""), IsEmpty());
}

TEST(BpeTest, MergesInAllThreeForms) {
  const Json vocab = {{"a", 0}, {"b", 1}, {"ab", 2}};
  for (const char* merges : {R"(["a b"])", R"([["a","b"]])", R"(["#version: 0.2","a b"])"}) {
    EXPECT_THAT(Encode({{"vocab", vocab}, {"merges", MustParse(merges)}}, "ab"), ElementsAre(2));
  }
}

}  // namespace
}  // namespace gantry
