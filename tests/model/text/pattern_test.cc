#include "model/text/pattern.h"

#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/text/oniguruma_syntax.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Matches(const std::string& expression, const std::string& text) {
  absl::StatusOr<Pattern> pattern = Pattern::Regex(expression);
  EXPECT_THAT(pattern, IsOk());
  std::vector<std::string> matches;
  Pattern::Scratch scratch;
  if (!pattern.ok()) return matches;
  GANTRY_EXPECT_OK(pattern->FindAll(text, &scratch, [&](size_t begin, size_t end) {
    matches.push_back(text.substr(begin, end - begin));
    return absl::OkStatus();
  }));
  return matches;
}

TEST(PatternTest, LiteralMatchesDoNotOverlap) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string out,
                              ReplaceAll(Pattern::Literal("aa"), "aaaaa.a", "b"));
  EXPECT_EQ(out, "bba.a");
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::string same, ReplaceAll(Pattern::Literal(""), "ab", "x"));
  EXPECT_EQ(same, "ab");
}

TEST(PatternTest, WhiteSpaceAndWordsAreUnicodes) {
  EXPECT_THAT(Matches("\\s+", "a\xc2\xa0\xe3\x80\x80z \n"),
              ElementsAre("\xc2\xa0\xe3\x80\x80", " \n"));
  // U+180E is white space to PCRE2, and not in Unicode.
  EXPECT_THAT(Matches("\\s", "\xe1\xa0\x8e"), ElementsAre());
  EXPECT_THAT(Matches("[^\\s]+", "a b"), ElementsAre("a", "b"));
  EXPECT_THAT(Matches("\\w+", "a\xcc\x81_1 \xe2\x80\xbf-"),
              ElementsAre("a\xcc\x81_1", "\xe2\x80\xbf"));
  EXPECT_THAT(Matches("[\\w-]+", "a-b c"), ElementsAre("a-b", "c"));
  EXPECT_THAT(Matches("\\W", "a-b"), ElementsAre("-"));
}

TEST(PatternTest, AnchorsAreOfLines) {
  EXPECT_THAT(Matches("^.", "ab\ncd"), ElementsAre("a", "c"));
}

TEST(PatternTest, EmptyMatchesAreFoundOnce) {
  EXPECT_THAT(Matches("x*", "axxb"), ElementsAre("", "xx", ""));
  EXPECT_THAT(Matches("", "\xc3\xa9"), ElementsAre("", ""));
}

TEST(PatternTest, ClassesKeepTheirBrackets) {
  EXPECT_THAT(Matches("[]a]", "]"), ElementsAre("]"));
  EXPECT_THAT(Matches("[^]a]", "]b"), ElementsAre("b"));
  EXPECT_THAT(Matches("[[:digit:]x]+", "1x2"), ElementsAre("1x2"));
  EXPECT_THAT(Matches("\\[\\]", "[]"), ElementsAre("[]"));
}

TEST(PatternTest, WordsScriptsAndPunctuationAreOnigurumas) {
  EXPECT_THAT(Matches("\\w+", "a²Ⓐ_é"), ElementsAre("a²Ⓐ_é"));
  EXPECT_THAT(Matches("[\\w]+", "a²b"), ElementsAre("a", "b"));
  EXPECT_THAT(Matches("\\p{Han}+", "漢、字"), ElementsAre("漢", "字"));
  EXPECT_THAT(Matches("[^\\P{Han}]+", "漢、字"), ElementsAre("漢", "字"));
  EXPECT_THAT(Matches("\\p{^Han}+", "漢、字"), ElementsAre("、"));
  EXPECT_THAT(Matches("[[:punct:]]", "a¢.+"), ElementsAre("¢", ".", "+"));
}

TEST(PatternTest, ClassesWithinClasses) {
  EXPECT_THAT(Matches("[a-z&&[^b]]", "abc"), ElementsAre("a", "c"));
  EXPECT_THAT(Matches("[a[bc]]+", "abcd"), ElementsAre("abc"));
  EXPECT_THAT(Matches("[^a[bc]]", "abcd"), ElementsAre("d"));
  EXPECT_THAT(Matches("[a[^b-z]]+", "ab1"), ElementsAre("a", "1"));
  EXPECT_THAT(Matches("[a-[b]]+", "a-bc"), ElementsAre("a-b"));
  EXPECT_THAT(Matches("[a[-z]]+", "az-m"), ElementsAre("az-"));
  EXPECT_THAT(Matches("[a\\W]+", "a!b"), ElementsAre("a!"));
  EXPECT_THAT(Matches("[^a\\W]+", "a!bc"), ElementsAre("bc"));
  EXPECT_THAT(Matches("[\\p{L}&&[^a]&&[^\\p{Lu}]]+", "abcDe"), ElementsAre("bc", "e"));
  EXPECT_THAT(Matches("[^\\p{L}&&[^a]]+", "a1\nb"), ElementsAre("a1\n"));
}

TEST(PatternTest, RefusesWhatMeansSomethingElse) {
  for (const char* expression : {"\\h", "[\\H]", "(?m:a.b)", "(?im)a", "\\Qa\\E", "[a&&]",
                                 "[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]"}) {
    EXPECT_THAT(Pattern::Regex(expression),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("not supported")))
        << expression;
  }
}

TEST(PatternTest, RefusesWhatDoesNotCompile) {
  for (const char* expression :
       {"(", "a{2,1}", "[", "\\C", "\\", "(?=ab\\K)", "((((a{1000}){1000}){1000}){1000})"}) {
    EXPECT_THAT(Pattern::Regex(expression),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("regular expression")))
        << expression;
  }
  EXPECT_THAT(Pattern::Regex(std::string(20000, 'a')),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("20000")));
  EXPECT_FALSE(Pattern::Regex(std::string(5000, '(') + std::string(5000, ')')).ok());
}

TEST(PatternTest, BacktrackingHasALimit) {
  Pattern::Scratch scratch;
  for (const char* expression : {"(a+)+$", "(a|aa)+$", "(a*)*[bc]$"}) {
    GANTRY_ASSERT_OK_AND_ASSIGN(const Pattern pattern, Pattern::Regex(expression));
    EXPECT_THAT(pattern.FindAll(std::string(100, 'a') + "!", &scratch,
                                [](size_t, size_t) { return absl::OkStatus(); }),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("regular expression")))
        << expression;
  }
}

TEST(PatternTest, LongRunsAreWithinTheLimits) {
  const std::string run(1 << 20, 'a');
  for (const char* expression : {"a*[bc]+|a+", "[a-z&&[^b]]+", "(?:ab|a)+", "[ab]*[bc]|[ab]*"}) {
    EXPECT_THAT(Matches(expression, run), ElementsAre(run)) << expression;
  }
}

// Each place alone is within the limit of backtracking, and there are millions.
TEST(PatternTest, AQuadraticExpressionEndsInAnError) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const Pattern pattern, Pattern::Regex("a*[bc]"));
  Pattern::Scratch scratch(std::chrono::milliseconds(50));
  EXPECT_THAT(pattern.FindAll(std::string(4 << 20, 'a'), &scratch,
                              [](size_t, size_t) { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("takes too long")));
}

// Fewer places than between two matches are tried at once.
TEST(PatternTest, FindsWhatIsFarAway) {
  const std::string gap = "é" + std::string(15, '-') + "漢" + std::string(100, '-') + "😀";
  EXPECT_THAT(Matches("[bc]|^x|(?<=-)😀", gap + "b" + gap), ElementsAre("😀", "b", "😀"));
  EXPECT_THAT(Matches("$", gap), ElementsAre(""));
}

TEST(PatternTest, ReplacementHasALimit) {
  const std::string text(1 << 20, 'a');
  EXPECT_THAT(ReplaceAll(Pattern::Literal("a"), text, std::string(1000, 'b')),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("longer than")));
}

}  // namespace
}  // namespace gantry
