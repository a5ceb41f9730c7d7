// Differential: what the grammar of a schema writes satisfies the schema, and what satisfies it, in
// the form that json_schema.h says, is one of its texts.

#include "tests/model/grammar/random_schema.h"

#include <optional>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "model/grammar/json_schema.h"
#include "tests/model/grammar/grammar_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

TEST(RandomSchemaTest, TextsSatisfyTheirSchemasAndDocumentsAreTexts) {
  std::mt19937 random(5);
  RandomSchema of(&random);
  int texts = 0;
  for (int i = 0; i < 150; ++i) {
    const Json schema = of.Schema();
    const absl::StatusOr<Grammar> grammar = CompileJsonSchema(DumpJson(schema), AllBytes());
    ASSERT_TRUE(grammar.ok()) << schema << ": " << grammar.status();
    for (int j = 0; j < 4; ++j) {
      const std::optional<std::string> text = RandomText(*grammar, 60, &random);
      if (!text.has_value()) continue;
      ++texts;
      const absl::StatusOr<Json> value =
          Json::accept(*text) ? absl::StatusOr<Json>(Json::parse(*text))
                              : absl::StatusOr<Json>(absl::InvalidArgumentError("no JSON"));
      ASSERT_TRUE(value.ok()) << schema << " wrote " << *text;
      ASSERT_TRUE(Satisfies(schema, schema, *value)) << schema << " wrote " << *text;
    }
    for (int j = 0; j < 4; ++j) {
      const Json document = of.Document(schema, schema);
      ASSERT_TRUE(Satisfies(schema, schema, document)) << schema << ": " << document;
      ASSERT_TRUE(Accepts(*grammar, DumpJson(document))) << schema << ": " << document;
    }
  }
  EXPECT_GT(texts, 450);
}

TEST(RandomSchemaTest, AnyObjectParses) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Grammar grammar, CompileJsonObject(AllBytes()));
  std::mt19937 random(6);
  int texts = 0;
  for (int i = 0; i < 150; ++i) {
    const std::optional<std::string> text = RandomText(grammar, 200, &random);
    if (!text.has_value()) continue;
    ++texts;
    ASSERT_TRUE(Json::accept(*text)) << *text;
    ASSERT_EQ(text->front(), '{');
  }
  EXPECT_GT(texts, 100);
}

}  // namespace
}  // namespace gantry
