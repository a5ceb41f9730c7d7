// Ids and texts that transformers 5.17 gives (tests/testdata/tokenizers/*/cases.json).

#include <string>
#include <vector>

#include "base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/text/tokenizer.h"
#include "tests/model/text/joined_token_bytes.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

constexpr char kTokenizers[] = GANTRY_TESTDATA "/tokenizers/";
constexpr char kDemoModel[] = GANTRY_SOURCE_DIR "/deploy/demo/model";

Json ReadCases(const std::string& name) {
  absl::StatusOr<Json> json = ReadJsonFile(kTokenizers + name + "/cases.json");
  EXPECT_THAT(json, IsOk());
  return json.ok() ? *json : Json();
}

std::vector<int32_t> Ids(const Json& json) { return json.get<std::vector<int32_t>>(); }

TEST(TokenizerReferenceTest, DemoTexts) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Load(kDemoModel));
  const Json cases = ReadCases("demo")["cases"];
  ASSERT_EQ(cases.size(), 25);
  for (const Json& c : cases) {
    const std::string text = c["text"].get<std::string>();
    SCOPED_TRACE(text);
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer->Encode(MarkedText(text), false));
    EXPECT_EQ(ids, Ids(c["ids"]));
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto with_bos, tokenizer->Encode(MarkedText(text), true));
    EXPECT_EQ(with_bos, Ids(c["ids_special"]));
    EXPECT_EQ(tokenizer->Decode(ids, /*skip_special_tokens=*/false),
              c["decoded"].get<std::string>());
    EXPECT_EQ(JoinedTokenBytes(*tokenizer, ids).value_or("refused"),
              c["decoded"].get<std::string>());
  }
}

TEST(TokenizerReferenceTest, DemoChats) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer, Tokenizer::Load(kDemoModel));
  const Json chats = ReadCases("demo")["chats"];
  ASSERT_FALSE(chats.empty());
  for (const Json& c : chats) {
    const std::string text = c["text"].get<std::string>();
    SCOPED_TRACE(text);
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer->Encode(MarkedText(text), false));
    EXPECT_EQ(ids, Ids(c["ids"]));

    MarkedText marked(text);
    for (const Json& message : c["messages"]) {
      const std::string content = message["content"].get<std::string>();
      const size_t from = marked.user.empty() ? 0 : marked.user.back().end;
      const size_t begin = text.find(content, from);
      ASSERT_NE(begin, std::string::npos);
      marked.user.push_back({begin, begin + content.size()});
    }
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto marked_ids, tokenizer->Encode(marked, false));
    EXPECT_EQ(marked_ids, ids);
  }
}

class CasesTest : public ::testing::TestWithParam<const char*> {};

TEST_P(CasesTest, EqualIds) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto tokenizer,
                              Tokenizer::Load(std::string(kTokenizers) + GetParam()));
  const Json cases = ReadCases(GetParam());
  ASSERT_EQ(cases.size(), 47);
  for (const Json& c : cases) {
    const std::string text = c["text"].get<std::string>();
    SCOPED_TRACE(text);
    GANTRY_ASSERT_OK_AND_ASSIGN(const auto ids, tokenizer->Encode(MarkedText(text), false));
    EXPECT_EQ(ids, Ids(c["ids"]));
    EXPECT_EQ(tokenizer->Decode(ids, /*skip_special_tokens=*/false), text);
    EXPECT_EQ(JoinedTokenBytes(*tokenizer, ids).value_or("refused"), text);
  }
}

INSTANTIATE_TEST_SUITE_P(Reference, CasesTest, ::testing::Values("gpt-2", "llama-spm"),
                         [](const auto& info) {
                           return info.param[0] == 'g' ? "Gpt2" : "LlamaSentencePiece";
                         });

}  // namespace
}  // namespace gantry
