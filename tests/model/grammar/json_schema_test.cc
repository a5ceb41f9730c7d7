#include "model/grammar/json_schema.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/grammar/limits.h"
#include "tests/model/grammar/grammar_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

void Check(absl::string_view schema, const std::vector<std::string>& accepted,
           const std::vector<std::string>& refused) {
  const absl::StatusOr<Grammar> grammar = CompileJsonSchema(schema, AllBytes());
  ASSERT_TRUE(grammar.ok()) << schema << ": " << grammar.status();
  for (const std::string& text : accepted) EXPECT_TRUE(Accepts(*grammar, text)) << schema << text;
  for (const std::string& text : refused) EXPECT_FALSE(Accepts(*grammar, text)) << schema << text;
}

TEST(JsonSchemaTest, Types) {
  Check(R"({"type":"null"})", {"null"}, {"true", "", "nul", "nulll"});
  Check(R"({"type":"boolean"})", {"true", "false"}, {"null"});
  Check(R"({"type":"integer"})", {"0", "-7", "120"}, {"-0", "01", "1.0", "1e3", "-", "\"1\""});
  Check(R"({"type":"number"})", {"0", "-0.5", "1e10", "2.5E-07", "12.25"},
        {".5", "1.", "+1", "NaN"});
  Check(R"({"type":"string"})", {R"("")", R"("a\n\u00e9\ud83d\ude00é")"},
        {R"("\ud83d")", R"("\ude00")", R"("\x")", "\"\n\"", "\"\xff\"", "\"", R"("a"b)"});
  Check(R"({"type":["integer","null"]})", {"1", "null"}, {"\"a\""});
  Check(R"({"type":"integer","nullable":true})", {"1", "null"}, {"true"});
  Check(R"({"type":"array"})", {"[]", "[1,\"a\",[{}]]", "[ 1, 2 ]"}, {"[,]", "[1,]", "[1 ,2]"});
  Check("{}", {"1", "{}", "[]", "\"\"", "null", R"({"a":{"b":[1,{}]}})"}, {"", "{1:2}", "{\"a\"}"});
  Check("true", {"1"}, {""});
}

TEST(JsonSchemaTest, WhiteSpaceIsBounded) {
  Check(R"({"type":"object"})", {"{}", "{ }", R"({"a": 1, "b":2})", "{\n  \"a\": [\n    1\n  ]\n}"},
        {" {}", "{} ", "{  }", "{\n\n}", R"({"a" :1})", R"({"a":  1})", "{\"a\":\n1}", "{\t}"});
}

TEST(JsonSchemaTest, Properties) {
  const std::string schema = R"({"type":"object","required":["b"],"properties":{
      "a":{"type":"integer"},"b":{"type":"boolean"},"c":{"type":"null"}}})";
  Check(schema,
        {R"({"a":1,"b":true,"c":null})", R"({"b":false})", R"({"b":false,"c":null})",
         R"({"a": 1, "b": true})"},
        {"{}", R"({"a":1})", R"({"b":true,"a":1})", R"({"b":1})", R"({"b":true,"d":1})",
         R"({"b":true,})", R"({,"b":true})"});
  Check(R"({"properties":{"a":{}},"additionalProperties":true})",
        {"{}", R"({"a":1})", R"({"a":1,"b":2,"ab":3})", R"({"b":2})"},
        {R"({"b":2,"a":1})", R"({"a":1,"a":2})", R"({"\u0061":1})"});
  Check(R"({"properties":{"a\"\n":true,"a":true},"additionalProperties":{"type":"null"}})",
        {R"({"a\"\n":1})", R"({"a":1})", R"({"a\"":null,"a\"\nb":null})"}, {R"({"aa":1})"});
  Check(R"({"type":"object","additionalProperties":{"type":"integer"}})",
        {"{}", R"({"x":1,"y":2})"}, {R"({"x":"1"})"});
  Check(R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"x":1})"});
  Check(R"({"type":"object","required":["x"],"additionalProperties":{"type":"integer"}})",
        {R"({"x":1})", R"({"x":1,"y":2})"}, {"{}", R"({"x":null})"});
}

TEST(JsonSchemaTest, Arrays) {
  Check(R"({"items":{"type":"integer"},"minItems":1,"maxItems":3})", {"[1]", "[1,2,3]", "[1, 2]"},
        {"[]", "[1,2,3,4]", "[null]"});
  Check(R"({"items":{"type":"integer"},"minItems":2})", {"[1,2]", "[1,2,3,4,5]"}, {"[1]"});
  Check(R"({"items":{"type":"null"},"maxItems":0})", {"[]"}, {"[null]"});
  Check(R"({"prefixItems":[{"type":"integer"},{"type":"null"}]})", {"[]", "[1]", "[1,null]"},
        {"[null]", "[1,null,2]"});
  Check(R"({"prefixItems":[{"type":"integer"}],"items":{"type":"boolean"},"minItems":1})",
        {"[1]", "[1,true,false]"}, {"[]", "[true]"});
  Check(R"({"prefixItems":[{"type":"integer"}],"minItems":2})", {"[1,\"x\"]"}, {"[1]", "[1,2,3]"});
  Check(R"({"items":false})", {"[]"}, {"[1]"});
}

TEST(JsonSchemaTest, Strings) {
  Check(R"({"type":"string","minLength":2,"maxLength":3})", {R"("ab")", R"("\u00e9\ud83d\ude00é")"},
        {R"("a")", R"("abcd")"});
  Check(R"({"minLength":2})", {R"("ab")", R"("abcde")"}, {R"("a")", "12"});
  Check(R"({"pattern":"^[a-c]+$"})", {R"("abc")"}, {R"("")", R"("abd")", R"("\u0061")"});
  Check(R"({"pattern":"b"})", {R"("abc")", R"("b")", R"("\nb\"")"}, {R"("ac")"});
  Check(R"({"pattern":"^\"\\n\\\\\u00e9\\x01$"})", {R"("\"\n\\é\u0001")"}, {"\"\"\n\\\u00e9\""});
  Check(R"({"pattern":"^a*$","minLength":2,"maxLength":3})", {R"("aa")", R"("aaa")"},
        {R"("a")", R"("aaaa")", R"("ab")"});
  Check(R"({"format":"date"})", {R"("2024-02-29")", R"("2026-11-27")", R"("2000-02-29")"},
        {R"("2023-02-29")", R"("1900-02-29")", R"("2026-13-01")", R"("2026-04-31")"});
  Check(R"({"format":"date-time"})",
        {R"("2026-11-27T04:00:00Z")", R"("2026-11-27T04:00:00.5+01:00")"},
        {R"("2026-11-27")", R"("2026-11-27T24:00:00Z")"});
  Check(R"({"format":"time"})", {R"("23:59:59Z")"}, {R"("23:60:59Z")"});
  Check(R"({"format":"uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123")"});
  Check(R"({"format":"email"})", {R"("a.b@example.org")"}, {R"("a@b")", R"("@b.org")"});
}

TEST(JsonSchemaTest, Integers) {
  Check(R"({"type":"integer","minimum":-12,"maximum":105})", {"-12", "-9", "0", "99", "105"},
        {"-13", "106", "1000", "-0"});
  Check(R"({"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":10})", {"1", "9"},
        {"0", "10"});
  Check(R"({"type":"integer","minimum":0.5,"maximum":2.5})", {"1", "2"}, {"0", "3"});
  Check(R"({"type":"integer","minimum":999999999999999999})", {"999999999999999999"}, {"1"});
}

TEST(JsonSchemaTest, Numbers) {
  Check(R"({"type":"number","minimum":0,"maximum":1})", {"0", "0.0", "0.5", "1", "1.00"},
        {"-0.5", "1.01", "2", "1e-1", "-0"});
  Check(R"({"type":"number","exclusiveMinimum":0})", {"0.001", "1", "12.5"}, {"0", "0.0", "-1"});
  Check(R"({"type":"number","minimum":-2.5,"exclusiveMaximum":-2.25})", {"-2.5", "-2.3", "-2.26"},
        {"-2.25", "-2.51", "-2", "-3"});
  Check(R"({"type":"number","minimum":1.25e1,"maximum":1e2})", {"12.5", "13", "99.9", "100"},
        {"12.4", "12", "100.1"});
}

TEST(JsonSchemaTest, Enumerations) {
  Check(R"({"enum":["a",1,null,{"x":[1,2]},"é\n"]})",
        {R"("a")", "1", "null", R"({"x":[1,2]})", R"("é\n")"}, {R"("b")", "2", "\"\\u0061\""});
  Check(R"({"const":"x"})", {R"("x")"}, {R"("y")"});
  Check(R"({"const":null})", {"null"}, {"1"});
  Check(R"({"type":"string","enum":["a",1]})", {R"("a")"}, {"1"});
  Check(R"({"const":"a","enum":["a","b"],"type":"string","title":"t"})", {R"("a")"}, {R"("b")"});
}

TEST(JsonSchemaTest, Combinations) {
  Check(R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})", {"1", R"("a")"},
        {"null", R"("ab")"});
  Check(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", {"1", "1.5"}, {"null"});
  Check(R"({"type":"object","properties":{"a":{},"b":{}},
            "anyOf":[{"required":["a"]},{"required":["b"]}]})",
        {R"({"a":1})", R"({"b":1})", R"({"a":1,"b":1})"}, {"{}"});
  Check(R"({"allOf":[{"properties":{"a":{"type":"null"}},"required":["a"]},
                     {"properties":{"b":{"type":"null"}}}]})",
        {R"({"a":null})", R"({"a":null,"b":null})"}, {R"({"b":null})"});
  Check(R"({"$defs":{"s":{"type":"string"}},"allOf":[{"$ref":"#/$defs/s"}],"maxLength":1})",
        {R"("a")"}, {R"("ab")", "1"});
}

TEST(JsonSchemaTest, ReferencesAndRecursion) {
  const std::string tree = R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object",
      "properties":{"value":{"type":"integer"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},
      "required":["value"]}}})";
  Check(tree,
        {R"({"value":1})", R"({"value":1,"children":[{"value":2,"children":[]},{"value":3}]})"},
        {R"({"value":1,"children":[{}]})"});
  const std::string list = R"({"properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},
                              "required":["next"]})";
  Check(list, {R"({"next":null})", R"({"next":{"next":{"next":null}}})"}, {R"({"next":{}})"});
  Check(R"({"definitions":{"a/b":{"type":"null"}},"$ref":"#/definitions/a~1b"})", {"null"}, {"1"});
  Check(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})", {"null"}, {"1"});
}

TEST(JsonSchemaTest, NestingIsBoundedAndEndsBeforeTheBound) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Grammar grammar, CompileJsonObject(AllBytes()));
  const auto nested = [](int levels) {
    std::string text = "{\"a\":";
    for (int i = 1; i < levels; ++i) text += "[";
    for (int i = 1; i < levels; ++i) text += "]";
    return text + "}";
  };
  EXPECT_TRUE(Accepts(grammar, "{\"a\":1}"));
  EXPECT_TRUE(Accepts(grammar, nested(50)));
  EXPECT_FALSE(Accepts(grammar, nested(64)));
}

TEST(JsonSchemaTest, NamesWhatItDoesNotSupport) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"not":{}})", "#/not"},
      {R"({"properties":{"a":{"multipleOf":2}}})", "#/properties/a/multipleOf"},
      {R"({"patternProperties":{}})", "#/patternProperties"},
      {R"({"items":{"uniqueItems":true}})", "#/items/uniqueItems"},
      {R"({"if":{}})", "#/if"},
      {R"({"type":"string","format":"ipv4"})", "#/format"},
      {R"s({"type":"string","pattern":"(?=a)"})s", "look-ahead"},
      {R"({"$ref":"other.json"})", "#/$ref"},
      {R"({"$ref":"#anchor"})", "#/$ref"},
      {R"({"items":[{}]})", "prefixItems"},
      {R"({"type":"integer","minimum":1e30})", "#/minimum"},
      {R"({"type":"number","minimum":1,"exclusiveMinimum":2})", "#/exclusiveMinimum"},
      {R"({"enum":["a"],"minLength":1})", "#/minLength"},
      {R"({"allOf":[{"type":"string"},{"type":"null"}]})", "type"},
  };
  for (const auto& [schema, named] : cases) {
    EXPECT_THAT(CompileJsonSchema(schema, AllBytes()),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr(named)))
        << schema;
  }
}

TEST(JsonSchemaTest, RefusesWhatIsMalformedOrContradictsItself) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "the schema"},
      {"1", "#: expected a schema"},
      {R"({"type":"float"})", "#/type"},
      {R"({"type":[]})", "#/type"},
      {R"({"properties":{"a/b":{"type":1}}})", "#/properties/a~1b/type"},
      {R"({"properties":[]})", "#/properties"},
      {R"({"required":"a"})", "#/required"},
      {R"({"enum":[]})", "#/enum"},
      {R"({"anyOf":[]})", "#/anyOf"},
      {R"({"minLength":-1})", "#/minLength"},
      {R"({"maxItems":1.5})", "#/maxItems"},
      {R"({"maxLength":1000000000000})", "#/maxLength"},
      {R"s({"type":"string","pattern":"("})s", "#/pattern"},
      {R"({"type":"integer","minimum":"1"})", "#/minimum"},
      {R"({"$ref":"#/$defs/none"})", "#/$ref"},
      {"false", "no text"},
      {R"({"type":"integer","minimum":2,"maximum":1})", "no text"},
      {R"({"type":"integer","exclusiveMinimum":999999999999999999})", "no text"},
      {R"({"type":"number","minimum":1.5,"maximum":1.25})", "no text"},
      {R"({"type":"number","minimum":-1.5,"maximum":-2})", "no text"},
      {R"({"minLength":2,"maxLength":1})", "no text"},
      {R"({"required":["a"],"additionalProperties":false})", "no text"},
      {R"({"$ref":"#"})", "no text"},
      {R"({"properties":{"a":{"$ref":"#"}},"required":["a"]})", "no text"},
  };
  for (const auto& [schema, named] : cases) {
    EXPECT_THAT(CompileJsonSchema(schema, AllBytes()),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(named)))
        << schema;
  }
}

TEST(JsonSchemaTest, EndsSoonWhateverIsWritten) {
  std::string nested = R"({"items":)";
  for (int i = 0; i < 60; ++i) nested += R"({"items":)";
  nested += "{}" + std::string(61, '}');
  const auto properties = [](int count) {
    std::string schema = R"({"properties":{"a":{})";
    for (int i = 0; i < count; ++i) absl::StrAppend(&schema, ",\"p", i, "\":{}");
    return schema + "}}";
  };
  std::string merged = R"({"$defs":{"a":{"properties":{)";
  for (char c = 'a'; c < 'k'; ++c) {
    absl::StrAppend(&merged, c == 'a' ? "" : ",", "\"", std::string(1, c),
                    "\":{\"$ref\":\"#/$defs/a\",\"maxItems\":1}");
  }
  merged += R"(}}},"$ref":"#/$defs/a"})";
  std::string alternatives = R"({"anyOf":[)";
  for (int i = 0; i < 900; ++i) {
    absl::StrAppend(&alternatives, i == 0 ? "" : ",", R"({"type":"string","pattern":"[a-z]*)", i,
                    "\"}");
  }
  alternatives += "]}";
  const std::string inside = R"({"items":{"items":{"maxItems":20000},"maxItems":20000}})";
  const std::vector<std::pair<std::string, bool>> schemas = {
      {nested, true},
      {properties(500), true},
      {properties(4000), false},
      {merged, false},
      {alternatives, false},
      {inside, false},
      {R"({"maxLength":20000})", true},
      {R"({"maxLength":20000,"pattern":"^(a|b)*$"})", false},
      {R"s({"pattern":"(a|b)*a(a|b){25}"})s", false},
      {absl::StrCat(R"({"title":")", std::string(kMaxSchemaBytes, 'x'), "\"}"), false},
      {absl::StrCat(std::string(30000, '['), std::string(30000, ']')), false},
  };
  for (const auto& [schema, good] : schemas) {
    const absl::Time start = absl::Now();
    const auto grammar = CompileJsonSchema(schema, AllBytes());
    // A tenth of a second without sanitizers on an idle machine.
    EXPECT_LT(absl::Now() - start, absl::Seconds(10)) << schema.substr(0, 80);
    EXPECT_EQ(grammar.ok(), good) << schema.substr(0, 80) << grammar.status();
  }
}

TEST(JsonSchemaTest, OnlyUsableBytesAreWritten) {
  ByteSet ascii;
  for (int byte = 0; byte < 128; ++byte) ascii.set(byte);
  GANTRY_ASSERT_OK_AND_ASSIGN(const Grammar grammar,
                              CompileJsonSchema(R"({"type":"string"})", ascii));
  EXPECT_TRUE(Accepts(grammar, R"("\u00e9")"));
  EXPECT_FALSE(Accepts(grammar, "\"\u00e9\""));
  EXPECT_THAT(CompileJsonSchema(R"({"const":"é"})", ascii),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no text")));
}

}  // namespace
}  // namespace gantry
