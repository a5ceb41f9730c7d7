#include "base/json.h"

#include <limits>

#include "tests/status_matchers.h"
#include "tests/temp_folder.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Json MustParse(const std::string& text) {
  absl::StatusOr<Json> json = ParseJson(text, "test");
  EXPECT_TRUE(json.ok()) << json.status();
  return json.ok() ? *std::move(json) : Json();
}

TEST(JsonTest, ParsesAndKeepsTheOrderOfMembers) {
  EXPECT_EQ(DumpJson(MustParse(R"( {"b":[1,-2,2.5,true,null,"x"],"a":{}} )")),
            R"({"b":[1,-2,2.5,true,null,"x"],"a":{}})");
  EXPECT_EQ(DumpJson(MustParse("3")), "3");
}

TEST(JsonTest, Refuses) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "JSON"},
      {"{", "JSON"},
      {"[1,]", "JSON"},
      {"{}x", "JSON"},
      {"[1e999]", "JSON"},
      {"[NaN]", "JSON"},
      {"[Infinity]", "JSON"},
      {"['a']", "JSON"},
      {"[01]", "JSON"},
      {"[1] // note", "JSON"},
      {"[\"\\ud800\"]", "JSON"},
      {"[\"\xff\"]", "JSON"},
      {"[\"\xed\xa0\x80\"]", "JSON"},
      {"[\"\xc0\x80\"]", "JSON"},
      {std::string("[\"a\0b\"]", 7), "JSON"},
      {"\xef\xbb\xbf{}", "byte order mark"},
      {R"({"a":1,"a":2})", "\"a\" is given twice"},
      {R"({"a":1,"\u0061":2})", "given twice"},
      {R"([{"x":{"k":1,"j":2,"k":3}}])", "given twice"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(ParseJson(text, "the origin"),
                StatusIs(kInvalid, AllOf(HasSubstr("the origin"), HasSubstr(message))))
        << text;
  }
}

TEST(JsonTest, EqualKeysInDifferentObjects) {
  GANTRY_EXPECT_OK(ParseJson(R"({"a":{"a":1},"b":{"a":[{"a":2},{"a":3}]}})", "x"));
}

TEST(JsonTest, DepthIsLimited) {
  JsonLimits limits;
  limits.max_depth = 3;
  GANTRY_EXPECT_OK(ParseJson("[[[1]]]", "x", limits));
  EXPECT_THAT(ParseJson("[[[[1]]]]", "x", limits), StatusIs(kInvalid, HasSubstr("nested deeper")));
  EXPECT_THAT(ParseJson(R"([{"a":[{}]}])", "x", limits),
              StatusIs(kInvalid, HasSubstr("nested deeper")));
  EXPECT_FALSE(ParseJson(std::string(1000000, '['), "x").ok());
}

TEST(JsonTest, SizeIsLimited) {
  JsonLimits limits;
  limits.max_bytes = 4;
  GANTRY_EXPECT_OK(ParseJson("[12]", "x", limits));
  EXPECT_THAT(ParseJson("[123]", "x", limits), StatusIs(kInvalid, HasSubstr("at most 4")));
}

TEST(JsonTest, ManyMembersTakeLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 200000; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  EXPECT_EQ(MustParse(text + "}").size(), 200000);
}

TEST(JsonTest, Files) {
  TempFolder folder;
  const std::string path = folder.Write("a.json", "{\"x\":1}");
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json json, ReadJsonFile(path));
  EXPECT_EQ(json["x"], 1);
  EXPECT_THAT(ReadJsonFile(folder.Path("b.json")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("b.json")));
  folder.Write("a.json", "{");
  EXPECT_THAT(ReadJsonFile(path), StatusIs(kInvalid, HasSubstr("a.json")));
}

TEST(JsonTest, DumpReplacesIllFormedText) {
  EXPECT_EQ(DumpJson(Json("a\xff")), "\"a\xef\xbf\xbd\"");
}

TEST(JsonTest, FindMember) {
  const Json json = MustParse(R"({"a":null,"b":1})");
  EXPECT_EQ(FindMember(json, "a"), nullptr);
  EXPECT_EQ(FindMember(json, "c"), nullptr);
  ASSERT_NE(FindMember(json, "b"), nullptr);
  EXPECT_EQ(FindMember(Json(3), "b"), nullptr);
  EXPECT_EQ(FindMember(Json::array(), "b"), nullptr);
}

TEST(JsonTest, GetInt) {
  const int64_t min = std::numeric_limits<int64_t>::min();
  const int64_t max = std::numeric_limits<int64_t>::max();
  const std::pair<const char*, int64_t> good[] = {
      {"0", 0},
      {"-5", -5},
      {"9223372036854775807", max},
      {"3.0", 3},
      {"-9223372036854775808", min},
      {"1e3", 1000},
  };
  for (const auto& [text, value] : good) {
    const absl::StatusOr<int64_t> found =
        GetInt(MustParse(std::string("{\"n\":") + text + "}"), "n", min, max);
    ASSERT_TRUE(found.ok()) << text << found.status();
    EXPECT_EQ(*found, value);
  }
  for (const char* text : {"9223372036854775808", "18446744073709551615", "1e30", "-1e30", "1.5",
                           "\"1\"", "true", "[]", "null", "1e308"}) {
    EXPECT_THAT(GetInt(MustParse(std::string("{\"n\":") + text + "}"), "n", min, max),
                StatusIs(kInvalid, HasSubstr("n: expected an integer")))
        << text;
  }
  const Json json = MustParse(R"({"n":5})");
  GANTRY_EXPECT_OK(GetInt(json, "n", 5, 5));
  EXPECT_THAT(GetInt(json, "n", 6, 9),
              StatusIs(kInvalid, AllOf(HasSubstr("[6, 9]"), HasSubstr("found 5"))));
  EXPECT_THAT(GetInt(json, "n", 0, 4), StatusIs(kInvalid, HasSubstr("[0, 4]")));
  EXPECT_THAT(GetInt(json, "m", 0, 4), StatusIs(kInvalid, HasSubstr("found nothing")));
}

TEST(JsonTest, GetDouble) {
  const Json json = MustParse(R"({"a":1,"b":-0.5,"s":"1"})");
  EXPECT_EQ(GetDouble(json, "a", 0, 2).value(), 1);
  EXPECT_EQ(GetDouble(json, "b", -1, 0).value(), -0.5);
  EXPECT_THAT(GetDouble(json, "b", 0, 1), StatusIs(kInvalid, HasSubstr("b: expected a number")));
  EXPECT_THAT(GetDouble(json, "s", 0, 1), StatusIs(kInvalid, HasSubstr("s: expected a number")));
  const Json nan{{"x", std::numeric_limits<double>::quiet_NaN()}};
  EXPECT_FALSE(GetDouble(nan, "x", -1e300, 1e300).ok());
}

TEST(JsonTest, Fallbacks) {
  const Json json = MustParse(R"({"null":null,"wrong":[]})");
  for (const char* key : {"null", "absent"}) {
    EXPECT_EQ(GetIntOr(json, key, 0, 1, 7).value(), 7);
    EXPECT_EQ(GetDoubleOr(json, key, 0, 1, 7).value(), 7);
    EXPECT_EQ(GetBoolOr(json, key, true).value(), true);
    EXPECT_EQ(GetStringOr(json, key, "d").value(), "d");
    EXPECT_FALSE(GetString(json, key).ok());
  }
  EXPECT_FALSE(GetIntOr(json, "wrong", 0, 1, 7).ok());
  EXPECT_FALSE(GetDoubleOr(json, "wrong", 0, 1, 7).ok());
  EXPECT_FALSE(GetBoolOr(json, "wrong", true).ok());
  EXPECT_FALSE(GetStringOr(json, "wrong", "d").ok());
}

TEST(JsonTest, ErrorsAreShort) {
  const Json json{{"n", std::string(100000, 'x')}};
  EXPECT_LT(GetInt(json, "n", 0, 1).status().message().size(), 200);
}

}  // namespace
}  // namespace gantry
