#include "model/grammar/token_matcher.h"

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/grammar/json_schema.h"
#include "model/text/tokenizer.h"
#include "tests/model/grammar/list_tokenizer.h"
#include "tests/model/grammar/random_schema.h"
#include "tests/repository.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<const TokenVocabulary> Vocabulary(const Tokenizer& tokenizer, int32_t end) {
  const auto vocabulary = TokenVocabulary::Create(tokenizer, tokenizer.vocab_size(), {end});
  EXPECT_THAT(vocabulary, IsOk());
  return *vocabulary;
}

TokenMatcher Matcher(absl::StatusOr<Grammar> grammar,
                     std::shared_ptr<const TokenVocabulary> vocabulary) {
  EXPECT_THAT(grammar, IsOk());
  return TokenMatcher(TokenGrammar::Create(*std::move(grammar), std::move(vocabulary)).value());
}

std::vector<int32_t> Ids(const TokenMask& mask) {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < 8 * mask.size(); ++id) {
    if (HasToken(mask, id)) ids.push_back(id);
  }
  return ids;
}

TEST(TokenMatcherTest, MaskHasEachTokenThatMayFollow) {
  // Ids from 256: tokens over several steps of the grammar, and parts of characters.
  const ListTokenizer tokenizer(
      {"{\"", "\":", "\"}", "ab", "a\"", "\xe2\x82", "\xac\"", "}}", "abc"});
  TokenMatcher matcher =
      Matcher(CompileJsonSchema(R"({"properties":{"a":{"maxLength":2}},"required":["a"]})",
                                tokenizer.AllBytes()),
              Vocabulary(tokenizer, tokenizer.end()));
  EXPECT_EQ(Ids(matcher.Allowed()), (std::vector<int32_t>{'{', 256}));
  GANTRY_EXPECT_OK(matcher.Accept(256));
  EXPECT_EQ(Ids(matcher.Allowed()), (std::vector<int32_t>{'a', 260}));
  GANTRY_EXPECT_OK(matcher.Accept(260));
  EXPECT_EQ(Ids(matcher.Allowed()), (std::vector<int32_t>{':'}));
  EXPECT_THAT(matcher.Accept('}'), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("125")));
  GANTRY_EXPECT_OK(matcher.Accept(':'));
  GANTRY_EXPECT_OK(matcher.Accept('"'));
  TokenMask mask = matcher.Allowed();
  for (const int32_t id : {258, 259, 260, 261, 263}) EXPECT_TRUE(HasToken(mask, id)) << id;
  for (const int32_t id : {257, 262, 264, 265}) EXPECT_FALSE(HasToken(mask, id)) << id;
  GANTRY_EXPECT_OK(matcher.Accept(261));
  EXPECT_TRUE(HasToken(matcher.Allowed(), 262));
  EXPECT_FALSE(HasToken(matcher.Allowed(), 'a'));
  GANTRY_EXPECT_OK(matcher.Accept(262));
  EXPECT_FALSE(HasToken(matcher.Allowed(), tokenizer.end()));
  TokenMatcher copy = matcher;
  GANTRY_EXPECT_OK(matcher.Accept('}'));
  EXPECT_EQ(Ids(matcher.Allowed()), (std::vector<int32_t>{tokenizer.end()}));
  EXPECT_TRUE(HasToken(copy.Allowed(), '}'));
}

TEST(TokenMatcherTest, CharactersWithoutTokensForTheirBytesAreNotWritten) {
  const ListTokenizer tokenizer({"ab", "\u00e9", "a\u00e9"}, /*bytes=*/128);
  const auto vocabulary = Vocabulary(tokenizer, tokenizer.end());
  TokenMatcher matcher =
      Matcher(CompileJsonSchema(R"({"type":"string"})", vocabulary->usable_bytes()), vocabulary);
  GANTRY_ASSERT_OK(matcher.Accept('"'));
  const TokenMask mask = matcher.Allowed();
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    EXPECT_EQ(HasToken(mask, id), TokenMatcher(matcher).Accept(id).ok()) << id;
  }
  EXPECT_TRUE(HasToken(mask, 256));
  EXPECT_FALSE(HasToken(mask, 257));
}

TEST(TokenMatcherTest, MaskAgreesWithAcceptForEachToken) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                              Tokenizer::Load(RepositoryPath("deploy/demo/model")));
  const auto vocabulary = Vocabulary(*tokenizer, 2);
  std::mt19937 random(9);
  RandomSchema of(&random);
  for (int i = 0; i < 40; ++i) {
    const Json schema = of.Schema();
    TokenMatcher matcher =
        Matcher(CompileJsonSchema(DumpJson(schema), vocabulary->usable_bytes()), vocabulary);
    for (int j = 0; j < 8; ++j) {
      const TokenMask mask = matcher.Allowed();
      std::vector<int32_t> allowed;
      for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
        if (id == 2) continue;
        const bool accepted = TokenMatcher(matcher).Accept(id).ok();
        ASSERT_EQ(HasToken(mask, id), accepted) << schema << " token " << id;
        if (accepted) allowed.push_back(id);
      }
      if (allowed.empty()) {
        ASSERT_TRUE(HasToken(mask, 2));
        break;
      }
      GANTRY_ASSERT_OK(matcher.Accept(allowed[random() % allowed.size()]));
    }
  }
}

// The decoded text of tokens that are drawn from the masks; null where it does not end.
std::optional<std::string> Draw(const Tokenizer& tokenizer, int32_t end, TokenMatcher matcher,
                                std::mt19937* random) {
  std::vector<int32_t> ids;
  while (ids.size() < 2000) {
    const TokenMask mask = matcher.Allowed();
    std::vector<int32_t> allowed = Ids(mask);
    EXPECT_FALSE(allowed.empty());
    if (allowed.empty()) return std::nullopt;
    if (HasToken(mask, end) && (allowed.size() == 1 || ids.size() > 30 || (*random)() % 3 == 0)) {
      return tokenizer.Decode(ids, /*skip_special_tokens=*/true);
    }
    std::erase(allowed, end);
    int32_t id = allowed[(*random)() % allowed.size()];
    if (ids.size() > 30) {
      for (const char* closing : {"\"", "}", "]", "0"}) {
        const int32_t token = tokenizer.TokenId(closing);
        if (token >= 0 && HasToken(mask, token) && (*random)() % 4 != 0) id = token;
      }
    }
    const absl::Status accepted = matcher.Accept(id);
    EXPECT_THAT(accepted, IsOk());
    if (!accepted.ok()) return std::nullopt;
    ids.push_back(id);
  }
  return std::nullopt;
}

TEST(TokenMatcherTest, TokensByChanceDecodeToWhatTheSchemaAllows) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                              Tokenizer::Load(RepositoryPath("deploy/demo/model")));
  const auto vocabulary = Vocabulary(*tokenizer, 2);
  std::mt19937 random(10);
  RandomSchema of(&random);
  int texts = 0;
  for (int i = 0; i < 150; ++i) {
    const Json schema = of.Schema();
    TokenMatcher matcher =
        Matcher(CompileJsonSchema(DumpJson(schema), vocabulary->usable_bytes()), vocabulary);
    for (int j = 0; j < 3; ++j) {
      const std::optional<std::string> text = Draw(*tokenizer, 2, matcher, &random);
      if (!text.has_value()) continue;
      ++texts;
      ASSERT_TRUE(Json::accept(*text)) << schema << " wrote " << *text;
      ASSERT_TRUE(Satisfies(schema, schema, Json::parse(*text))) << schema << " wrote " << *text;
    }
    // And a document's own tokens are accepted.
    const std::string document = DumpJson(of.Document(schema, schema));
    GANTRY_ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> ids,
                                tokenizer->Encode(MarkedText(document), false));
    for (size_t j = 0; j < ids.size(); ++j) {
      const int32_t id = ids[j];
      // The space that encoding puts first is no text.
      if (j == 0 && tokenizer->TokenBytes(id, true)->empty()) continue;
      ASSERT_TRUE(HasToken(matcher.Allowed(), id)) << schema << ": " << document;
      GANTRY_ASSERT_OK(matcher.Accept(id));
    }
    ASSERT_TRUE(HasToken(matcher.Allowed(), 2)) << schema << ": " << document;
  }
  EXPECT_GT(texts, 300);
}

TEST(TokenMatcherTest, MatchersOutliveACacheThatWasBegunAnew) {
  const ListTokenizer tokenizer({});
  const auto vocabulary = TokenVocabulary::Create(tokenizer, 4'000'000, {tokenizer.end()});
  GANTRY_ASSERT_OK(vocabulary.status());
  // A mask is half a megabyte: some tens of states fill the cache.
  TokenMatcher matcher =
      Matcher(CompileJsonSchema(R"({"type":"string","minLength":300,"maxLength":300})",
                                tokenizer.AllBytes()),
              *vocabulary);
  TokenMatcher waiting = matcher;
  GANTRY_ASSERT_OK(waiting.Accept('"'));
  GANTRY_ASSERT_OK(matcher.Accept('"'));
  for (int i = 0; i < 300; ++i) {
    const TokenMask mask = matcher.Allowed();
    ASSERT_TRUE(HasToken(mask, 'x'));
    ASSERT_FALSE(HasToken(mask, '"'));
    GANTRY_ASSERT_OK(matcher.Accept('x'));
  }
  EXPECT_EQ(Ids(matcher.Allowed()), (std::vector<int32_t>{'"'}));
  EXPECT_TRUE(HasToken(waiting.Allowed(), 'x'));
  GANTRY_EXPECT_OK(waiting.Accept('x'));
}

TEST(TokenMatcherTest, HostileGrammarsStillAllowSomething) {
  // Each letter doubles the readings of what came before.
  const ListTokenizer tokenizer({"[[[[[[[[", "[[[["});
  const std::string schema = R"({"$ref":"#/$defs/a","$defs":{
      "a":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/a"}},
                    {"type":"array","items":{"$ref":"#/$defs/b"},"maxItems":9}]},
      "b":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/b"}},
                    {"type":"array","items":{"$ref":"#/$defs/a"},"maxItems":8}]}}})";
  TokenMatcher matcher = Matcher(CompileJsonSchema(schema, tokenizer.AllBytes()),
                                 Vocabulary(tokenizer, tokenizer.end()));
  int depth = 0;
  while (HasToken(matcher.Allowed(), '[')) {
    GANTRY_ASSERT_OK(matcher.Accept('['));
    ++depth;
  }
  EXPECT_GT(depth, 20);
  for (; depth > 0; --depth) GANTRY_ASSERT_OK(matcher.Accept(']'));
  EXPECT_TRUE(HasToken(matcher.Allowed(), tokenizer.end()));
}

TEST(TokenMatcherTest, RefusesVocabulariesThatCouldNotEndOrWrite) {
  const ListTokenizer tokenizer({});
  EXPECT_THAT(TokenVocabulary::Create(tokenizer, 300, {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("eos_token_id")));
  EXPECT_THAT(TokenVocabulary::Create(tokenizer, 100, {1}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("0x64 (d)")));
}

}  // namespace
}  // namespace gantry
