#include "model/grammar/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/grammar/json_schema.h"
#include "model/grammar/limits.h"
#include "tests/model/grammar/grammar_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

bool Matches(absl::string_view regex, absl::string_view text) {
  const absl::StatusOr<Grammar> grammar = CompileRegex(regex, AllBytes());
  EXPECT_TRUE(grammar.ok()) << regex << ": " << grammar.status();
  return grammar.ok() && Accepts(*grammar, text);
}

TEST(RegexTest, MatchesWholeTexts) {
  EXPECT_TRUE(Matches("a|bc", "bc"));
  EXPECT_FALSE(Matches("a|bc", "b"));
  EXPECT_FALSE(Matches("a|bc", "abc"));
  EXPECT_TRUE(Matches("^a|b$", "a"));
  EXPECT_TRUE(Matches("", ""));
  EXPECT_TRUE(Matches("(a|)*b?", ""));
  EXPECT_TRUE(Matches("(?<year>[0-9]{4})(?:-\\d{2}){2}", "2026-11-27"));
  EXPECT_FALSE(Matches("a{2,3}", "a"));
  EXPECT_TRUE(Matches("a{2,3}", "aaa"));
  EXPECT_FALSE(Matches("a{2,3}", "aaaa"));
  EXPECT_TRUE(Matches("a{2,}", "aaaaaa"));
  EXPECT_TRUE(Matches("(ab{0}){2}", "aa"));
  EXPECT_TRUE(Matches("[^\\d\\s]+", "x\u00e9\U0001f600"));
  EXPECT_TRUE(Matches("[\\]^-]+", "]^-"));
  EXPECT_TRUE(Matches("\\u00e9\\u{1F600}\\x41", "\u00e9\U0001f600A"));
}

TEST(RegexTest, TextIsWellFormedUtf8) {
  EXPECT_TRUE(Matches(".", "\u20ac"));
  EXPECT_FALSE(Matches(".", "\xe2\x82"));
  EXPECT_FALSE(Matches(".", "\xed\xa0\x80"));  // a surrogate
  EXPECT_FALSE(Matches("[^a]", "\xc0\x80"));   // longer than need be
  EXPECT_TRUE(Matches("[\\u0700-\\u{10400}]", "\uffff"));
  EXPECT_FALSE(Matches("[\\u0700-\\u{10400}]", "\U00010401"));
}

TEST(RegexTest, NamesWhatItDoesNotSupport) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"a(?=b)", "look-ahead"},
      {"a(?!b)", "look-ahead"},
      {"(?<=a)b", "look-behind"},
      {"(a)\\1", "back-reference"},
      {"\\k<a>", "back-reference"},
      {"\\bword", "word boundary"},
      {"a\\B", "word boundary"},
      {"\\p{L}", "Unicode property"},
      {"(?i)a", "(?:"},
      {"a++", "possessive"},
      {"a^b", "^"},
      {"(a$)b", "$"},
      {"[[:alpha:]]", "POSIX class"},
      {"\\Qa\\E", "\\Q"},
  };
  for (const auto& [regex, named] : cases) {
    const auto parsed = ParseRegex(regex, RegexMatch::kWhole);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kUnimplemented) << regex;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(named)) << regex;
  }
}

TEST(RegexTest, RefusesWhatIsMalformed) {
  for (const char* regex : {"(a", "a)", "[a", "[]", "[b-a]", "[a-\\d]", "*a", "a{", "a{2", "a{3,2}",
                            "a{x}", "a**", "\\", "\\u12", "\\ud800", "\\u{110000}", "\xff", "{"}) {
    EXPECT_EQ(ParseRegex(regex, RegexMatch::kWhole).status().code(),
              absl::StatusCode::kInvalidArgument)
        << regex;
  }
}

TEST(RegexTest, RefusesWhatWouldTakeForEver) {
  std::string groups = "a";
  for (int i = 0; i < 50; ++i)
    groups = absl::StrCat("(", groups, groups.size() < 9000 ? groups : "", ")*");
  std::string sum = "x";
  for (int i = 0; i < 3000; ++i) absl::StrAppend(&sum, "|[^", i % 10, "]{3}");
  const std::vector<std::string> hostile = {
      "(a{1000}){1000}",
      "((((a{100}){100}){100}){100}){100}",
      "a{99999999999999999999}",
      "(a|b)*a(a|b){25}",
      "(.*a){15}[^b]{900}",
      "(\\w{0,100}-){100}.{0,300}x.{300}",
      "([a-z]*[0-9]*){1000}[^x]{1000}",
      std::string(200, '(') + std::string(200, ')'),
      groups,
      sum,
      std::string(kMaxRegexBytes + 1, 'a'),
  };
  for (const std::string& regex : hostile) {
    const absl::Time start = absl::Now();
    const auto grammar = CompileRegex(regex, AllBytes());
    const absl::Duration took = absl::Now() - start;
    // A tenth of a second without sanitizers on an idle machine.
    EXPECT_LT(took, absl::Seconds(10)) << regex.substr(0, 80);
    EXPECT_FALSE(grammar.ok()) << regex.substr(0, 80);
  }
}

// Expressions by chance, without what differs by intention: anchors and possessive quantifiers.
class RandomRegex {
 public:
  explicit RandomRegex(std::mt19937* random) : random_(*random) {}

  std::string Alternatives(int depth) {
    std::string out = Sequence(depth);
    while (random_() % 4 == 0) out += "|" + Sequence(depth);
    return out;
  }

 private:
  std::string Sequence(int depth) {
    std::string out;
    for (int i = random_() % 4; i > 0; --i) out += Atom(depth) + Quantifier();
    return out;
  }
  std::string Quantifier() {
    static const char* const kQuantifiers[] = {"",  "",    "",      "",     "*",  "+",
                                               "?", "{2}", "{0,2}", "{1,}", "*?", "{0}"};
    return kQuantifiers[random_() % std::size(kQuantifiers)];
  }
  std::string Atom(int depth) {
    static const char* const kAtoms[] = {
        "a",      "b",    "c",      "\u00e9",      ".",
        "\\d",    "\\w",  "\\s",    "\\W",         "\\.",
        "[ab]",   "[^a]", "[^\\d]", "[a-c]",       "[\u00e0-\u20ac]",
        "[\\w-]", "\\n",  "-",      "[^\\s\u00e9]"};
    if (depth > 0 && random_() % 3 == 0) {
      return absl::StrCat(random_() % 2 ? "(" : "(?:", Alternatives(depth - 1), ")");
    }
    return kAtoms[random_() % std::size(kAtoms)];
  }
  std::mt19937& random_;
};

std::string RandomCharacters(std::mt19937* random) {
  static const char* const kCharacters[] = {"a", "b", "c",      "1",      " ",          "\n",
                                            ".", "-", "\u00e9", "\u20ac", "\U0001f600", "_"};
  std::string out;
  for (int i = (*random)() % 6; i > 0; --i)
    out += kCharacters[(*random)() % std::size(kCharacters)];
  return out;
}

class Pcre2 {
 public:
  explicit Pcre2(const std::string& regex) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
                          PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &error, &offset, nullptr);
    data_ = pcre2_match_data_create(1, nullptr);
  }
  ~Pcre2() {
    pcre2_match_data_free(data_);
    pcre2_code_free(code_);
  }
  bool ok() const { return code_ != nullptr; }
  // 1 or 0; -1 where it gave up.
  int Matches(const std::string& text) const {
    const int result = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                                   0, data_, nullptr);
    if (result >= 0) return 1;
    return result == PCRE2_ERROR_NOMATCH ? 0 : -1;
  }

 private:
  pcre2_code* code_;
  pcre2_match_data* data_;
};

TEST(RegexTest, AgreesWithPcre2) {
  std::mt19937 random(7);
  int matched = 0;
  int generated = 0;
  for (int i = 0; i < 1500; ++i) {
    const std::string regex = RandomRegex(&random).Alternatives(2);
    const Pcre2 pcre2(regex);
    ASSERT_TRUE(pcre2.ok()) << regex;
    const absl::StatusOr<Grammar> grammar = CompileRegex(regex, AllBytes());
    ASSERT_TRUE(grammar.ok()) << regex << ": " << grammar.status();
    for (int j = 0; j < 20; ++j) {
      const std::string text = RandomCharacters(&random);
      const int expected = pcre2.Matches(text);
      if (expected < 0) continue;
      matched += expected;
      ASSERT_EQ(Accepts(*grammar, text), expected == 1) << regex << " on " << text;
    }
    for (int j = 0; j < 3; ++j) {
      const std::optional<std::string> text = RandomText(*grammar, 12, &random);
      if (!text.has_value()) continue;
      ASSERT_TRUE(IsValidUtf8(*text)) << regex;
      const int expected = pcre2.Matches(*text);
      if (expected < 0) continue;
      ++generated;
      ASSERT_EQ(expected, 1) << regex << " on " << *text;
    }
  }
  EXPECT_GT(matched, 1000);
  EXPECT_GT(generated, 4000);
}

}  // namespace
}  // namespace gantry
