// Tokenizers of every kind against the ids and texts of the `tokenizers` library
// (tests/testdata/tokenizers/kinds/, written by tests/model/text/oracle/make_tokenizers.mjs).

#include <string>
#include <vector>

#include "base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/text/tokenizer.h"
#include "model/text/tokenizer_json.h"
#include "tests/model/text/joined_token_bytes.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;

constexpr char kFolder[] = GANTRY_TESTDATA "/tokenizers/kinds/";

Json Read(const std::string& file) {
  absl::StatusOr<Json> json = ReadJsonFile(kFolder + file);
  EXPECT_THAT(json, IsOk());
  return json.ok() ? *json : Json::object();
}

// tokenizer.json from a configuration, as assemble() in oracle/tokenizers.mjs makes it.
Json Assemble(const Json& models, const Json& charsmap, const Json& config) {
  Json json = config;
  json["model"] = models[config["model"].get<std::string>()];
  if (config.contains("ignore_merges")) json["model"]["ignore_merges"] = config["ignore_merges"];
  if (config.contains("charsmap")) {
    json["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", charsmap}};
  }
  return json;
}

std::string DecodeIdById(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  TextStream stream(&tokenizer, /*skip_special_tokens=*/false);
  std::string text;
  for (const int32_t id : ids) text += stream.Add(id);
  return text + stream.Finish();
}

// `expected`: the ids, the text that they decode to where that is not `text`, and the text without
// special tokens where that is not the same. `around_nothing`: the ids that special tokens add.
void Check(const Tokenizer& tokenizer, const std::string& text, const Json& expected,
           const Json& around_nothing) {
  const auto ids = expected[0].get<std::vector<int32_t>>();
  const std::string decoded = expected.size() > 1 ? expected[1].get<std::string>() : text;
  const std::string skipped = expected.size() > 2 ? expected[2].get<std::string>() : decoded;
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto plain, tokenizer.Encode(MarkedText(text), false));
  EXPECT_EQ(plain, ids);
  EXPECT_EQ(tokenizer.Decode(ids, /*skip_special_tokens=*/false), decoded);
  EXPECT_EQ(DecodeIdById(tokenizer, ids), decoded);
  EXPECT_EQ(JoinedTokenBytes(tokenizer, ids).value_or(decoded), decoded);
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto special, tokenizer.Encode(MarkedText(text), true));
  EXPECT_EQ(special.size(), ids.size() + around_nothing.size());
  EXPECT_EQ(tokenizer.Decode(special, /*skip_special_tokens=*/true), skipped);
}

TEST(TokenizerKindsTest, EqualTheLibrary) {
  const Json models = Read("models.json");
  const Json tokenizers = Read("tokenizers.json");
  const Json cases = Read("cases.json");
  size_t compared = 0;
  std::vector<std::string> without_token_bytes;
  for (const auto& [name, config] : tokenizers.items()) {
    if (name == "charsmap") continue;
    const Json json = Assemble(models, tokenizers["charsmap"], config);
    SCOPED_TRACE(name);
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = ParseTokenizerJson(json, name);
    ASSERT_THAT(tokenizer, IsOk());
    if (!(*tokenizer)->TokenBytes(0, false).ok()) without_token_bytes.push_back(name);
    const Json& results = cases[name];
    const Json& special = results[0];
    for (size_t i = 0; i < special.size(); ++i) {
      GANTRY_ASSERT_OK_AND_ASSIGN(const auto ids,
                                  (*tokenizer)->Encode(MarkedText(i == 0 ? "" : "a"), true));
      EXPECT_EQ(ids, special[i].get<std::vector<int32_t>>());
    }
    for (size_t i = 1; i < results.size(); ++i, ++compared) {
      const std::string text = cases["texts"][i - 1].get<std::string>();
      SCOPED_TRACE(text);
      Check(**tokenizer, text, results[i], special[0]);
    }
  }
  EXPECT_GT(compared, 1700);
  // BPEDecoder: what the last token ends with is known only at the end.
  EXPECT_THAT(without_token_bytes, ElementsAre("gpt1", "xlm"));
}

}  // namespace
}  // namespace gantry
