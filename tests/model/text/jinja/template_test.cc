#include "model/text/jinja/template.h"

#include <cstdlib>
#include <ctime>

#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/status_matchers.h"

namespace gantry::jinja {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kNow = 1'700'000'000;

Value FromJson(Runtime* runtime, const Json& json) {
  if (json.is_null()) return Value(None{});
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_number_integer()) return Value(json.get<int64_t>());
  if (json.is_number()) return Value(json.get<double>());
  if (json.is_string()) return MakeString(json.get<std::string>());
  if (json.is_array()) {
    std::vector<Value> items;
    for (const Json& item : json) items.push_back(FromJson(runtime, item));
    return runtime->NewList(std::move(items));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : json.items()) {
    entries.emplace_back(MakeString(key), FromJson(runtime, value));
  }
  return runtime->NewDict(std::move(entries)).value();
}

absl::StatusOr<std::string> Render(absl::string_view source,
                                   const Json& variables = Json::object()) {
  absl::StatusOr<std::unique_ptr<Template>> parsed = Template::Parse(source);
  if (!parsed.ok()) return parsed.status();
  Runtime runtime;
  runtime.now = kNow;
  std::vector<std::pair<std::string, Value>> values;
  for (const auto& [name, value] : variables.items()) {
    values.emplace_back(name, FromJson(&runtime, value));
  }
  absl::StatusOr<MarkedText> text = (*parsed)->Render(&runtime, std::move(values));
  if (!text.ok()) return text.status();
  return text->text;
}

// Written by tests/testdata/jinja/make_cases.py from the real Jinja2. A case has the text that it
// renders, or "error" where it raises.
TEST(Template, RendersWhatJinja2Renders) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json cases, ReadJsonFile(GANTRY_TESTDATA "/jinja/cases.json"));
  EXPECT_GT(cases.size(), 400);
  for (const Json& expected : cases) {
    const auto source = expected["template"].get<std::string>();
    const absl::StatusOr<std::string> text = Render(source, expected["variables"]);
    if (expected.contains("error")) {
      EXPECT_FALSE(text.ok()) << source << "\nrenders: " << *text << "\nJinja2 raises "
                              << expected["error"];
    } else {
      EXPECT_TRUE(text.ok()) << source << "\n"
                             << text.status() << "\nexpected: " << expected["expected"];
      if (text.ok()) {
        EXPECT_EQ(*text, expected["expected"].get<std::string>()) << source;
      }
    }
  }
}

void ExpectChat(const Json& chat, const std::string& source, const Json& expected) {
  const absl::StatusOr<std::string> text = Render(source, chat);
  if (expected.is_string()) {
    ASSERT_THAT(text, IsOk());
    EXPECT_EQ(*text, expected.get<std::string>());
    return;
  }
  ASSERT_FALSE(text.ok()) << *text;
  absl::string_view error = expected["error"].get_ref<const std::string&>();
  // The words of raise_exception are the template's; others are Python's.
  if (absl::ConsumePrefix(&error, "TemplateError: ")) {
    EXPECT_EQ(text.status().message(), error);
  }
}

// Written by tests/testdata/jinja/make_chats.py from the real Jinja2: templates with the constructs
// of published ones, each rendered with conversations of every kind.
TEST(Template, RendersChatsAsJinja2Does) {
  ASSERT_EQ(setenv("TZ", "UTC", 1), 0);
  tzset();
  GANTRY_ASSERT_OK_AND_ASSIGN(const Json data, ReadJsonFile(GANTRY_TESTDATA "/jinja/chats.json"));
  ASSERT_EQ(data["now"].get<int64_t>(), kNow);
  EXPECT_GE(data["expected"].size(), 12);
  for (const auto& [name, texts] : data["expected"].items()) {
    GANTRY_ASSERT_OK_AND_ASSIGN(
        const std::string source,
        ReadFile(GANTRY_TESTDATA "/jinja/chats/" + name + ".jinja", /*max_bytes=*/1 << 20));
    for (const auto& [chat, expected] : texts.items()) {
      SCOPED_TRACE(name + ", " + chat);
      ExpectChat(data["chats"][chat], source, expected);
    }
  }
}

std::string Times(absl::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out.append(text.data(), text.size());
  return out;
}

// Templates made to exhaust whoever renders them: each is an error, and soon.
class Bomb : public ::testing::TestWithParam<std::string> {};

TEST_P(Bomb, IsRefused) {
  const absl::StatusOr<std::string> text = Render(GetParam());
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.status().code(), ::testing::AnyOf(absl::StatusCode::kResourceExhausted,
                                                     absl::StatusCode::kInvalidArgument));
}

INSTANTIATE_TEST_SUITE_P(
    Parsing, Bomb,
    ::testing::Values("{{ " + Times("(", 5'000), "{{ " + Times("(", 50'000),
                      "{{ " + Times("[", 50'000), "{{ " + Times("{1:", 50'000),
                      "{{ " + Times("-", 50'000) + "1 }}", "{{ " + Times("not ", 50'000) + "1 }}",
                      "{{ " + Times("a if b else ", 50'000) + "c }}", "{{ " + Times("a[", 50'000),
                      "{{ " + Times("a(", 50'000), "{{ a" + Times(" is eq a", 50'000),
                      Times("{% if x %}", 50'000), Times("{% for x in y %}", 50'000),
                      Times("{% macro x() %}", 5'000), Times("{{ 1 }}", 150'000),
                      std::string(2 << 20, 'x'), "{% set " + Times("(", 50'000),
                      "{{ 1" + Times("+1", 500'000) + " }}", "{{ a" + Times("|a", 300'000),
                      "{% set " + Times("a,", 300'000)));

INSTANTIATE_TEST_SUITE_P(
    Rendering, Bomb,
    ::testing::Values(
        "{% macro x() %}{{ x() }}{% endmacro %}{{ x() }}",
        "{% macro x() %}{{ x() }}{{ x() }}{% endmacro %}{{ x() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% macro x() %}{% call x() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}"
        "{{ x() }}",
        "{{ range(10000000) }}", "{{ range(-9223372036854775807, 9223372036854775807) }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(10) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}", "{{ 'x' * 9223372036854775807 }}", "{{ [0] * 1000000000 }}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}"
        "{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}"
        "{% set ns.s = ns.s.replace('x', ns.s) %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}"
        "{% set ns.s = ns.s|list|join(ns.s) ~ ns.s %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}"
        "{% endfor %}{{ ns.l }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}"
        "{% endfor %}{{ ns.l|tojson }}",
        "{% set a = namespace(l=[1], m=[1]) %}{% for i in range(9000) %}{% set a.l = [a.l] %}"
        "{% set a.m = [a.m] %}{% endfor %}{{ a.l == a.m }}",
        "{% set a = namespace(l=[1], m=[1]) %}{% for i in range(9000) %}{% set a.l = [a.l] %}"
        "{% set a.m = [a.m] %}{% endfor %}{{ a.l < a.m }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}"
        "{% endfor %}{{ ns.l }}",
        "{{ ('%' ~ '1000000000' ~ 'd') % 1 }}", "{{ '%.1000000000f' % 1 }}",
        "{{ '{:>1000000000}'.format(1) }}", "{{ 'x'.ljust(10000000000) }}",
        "{{ 'x'|center(10000000000) }}", "{{ 'x\nx'|indent(10000000000) }}",
        "{{ [1]|batch(10000000000, 1) }}", "{{ 'x'.zfill(10000000000) }}",
        "{{ [[1]]|tojson(indent=1000000000) }}", "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 64 }}",
        "{{ -9223372036854775807 - 2 }}", "{{ 3 * 9223372036854775807 }}",
        "{{ 99999999999999999999 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}",
        "{% for i in range(90000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "'"
        " }}{% endfor %}"));

TEST(Template, LongChainsNeedNoStack) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string sum, Render("{{ 1" + Times("+1", 20'000) + " }}"));
  EXPECT_EQ(sum, "20001");
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string both,
                              Render("{{ true" + Times(" and true", 20'000) + " }}"));
  EXPECT_EQ(both, "True");
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string text,
                              Render("{{ 'a'" + Times("|upper|lower", 20'000) + " }}"));
  EXPECT_EQ(text, "a");
}

TEST(Template, ValuesThatHoldThemselvesAreFreed) {
  GANTRY_EXPECT_OK(
      Render("{% set ns = namespace() %}{% set ns.me = [ns] %}"
             "{% for i in range(50000) %}{% set ns.l = [ns.l] %}{% endfor %}"
             "{% for i in [1] %}{% set ns.loop = loop %}{% endfor %}{{ ns.loop.index }}"));
}

TEST(Template, SyntaxErrorsNameThePlace) {
  const std::pair<const char*, const char*> kCases[] = {
      {"{% if x %}", "line 1, column 11: expected {% elif %} or {% else %} or {% endif %}"},
      {"a\nb {{ 1 + }}", "line 2, column 10: expected an expression, found \"}}\""},
      {"{{ 'abc }}", "line 1, column 4: a string is not closed"},
      {"{% frob %}", "unknown tag \"frob\""},
      {"{% break %}", "outside of a loop"},
      {"{# x", "a comment is not closed"},
      {"{% raw %}x", "a raw block is not closed"},
      {"{{ (1 }}", "line 1, column 7: unexpected '}'"},
      {"{% set true = 1 %}", "cannot assign to \"true\""},
      {"{{ 1 ? 2 }}", "unexpected character '?'"},
      {"{% for x in y recursive %}", "recursive loops are not supported"},
      {"{{ f(a=1, a=2) }}", "given twice"},
      {"{% macro m(a=1, b) %}{% endmacro %}", "without a default"},
  };
  for (const auto& [source, message] : kCases) {
    EXPECT_THAT(Template::Parse(source),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << source;
  }
}

TEST(Template, SourceMustBeUtf8) {
  EXPECT_THAT(Template::Parse("\xC3("),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-8")));
}

TEST(Template, SandboxedValuesCannotBeChanged) {
  EXPECT_THAT(Render("{% set l = [] %}{{ l.append(1) }}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot be changed")));
  EXPECT_THAT(Render("{{ ''.__class__.__mro__ }}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("__class__")));
}

}  // namespace
}  // namespace gantry::jinja
