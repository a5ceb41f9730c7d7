#include "model/grammar/number_range.h"

#include <optional>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/grammar/json_schema.h"
#include "tests/model/grammar/grammar_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

TEST(NumberRangeTest, IntegersNearTheBounds) {
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    const int64_t span = int64_t{1} << (random() % 40);
    const int64_t min = static_cast<int64_t>(random() % (2 * span + 1)) - span;
    const int64_t max = min + static_cast<int64_t>(random() % (span + 1));
    GANTRY_ASSERT_OK_AND_ASSIGN(const Grammar grammar,
                                CompileRegex(IntegerRangeRegex(min, max), AllBytes()));
    for (const int64_t edge : {min, max, int64_t{0}, (min + max) / 2}) {
      for (int64_t number = edge - 12; number <= edge + 12; ++number) {
        ASSERT_EQ(Accepts(grammar, absl::StrCat(number)), number >= min && number <= max)
            << number << " in " << min << " to " << max;
      }
    }
    ASSERT_FALSE(Accepts(grammar, "-0"));
    ASSERT_FALSE(Accepts(grammar, absl::StrCat("0", max)));
  }
}

TEST(NumberRangeTest, NumbersOnAGrid) {
  std::mt19937 random(4);
  const auto text = [](int thousandths) {
    const int magnitude = std::abs(thousandths);
    std::string digits = absl::StrCat(magnitude % 1000 + 1000).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    return absl::StrCat(thousandths < 0 ? "-" : "", magnitude / 1000, digits.empty() ? "" : ".",
                        digits);
  };
  const auto bound = [&](int thousandths, bool exclusive) {
    return DecimalBound{*Decimal::Parse(text(thousandths)), exclusive};
  };
  for (int i = 0; i < 300; ++i) {
    const int min = static_cast<int>(random() % 6000) - 3000;
    const int max = min + static_cast<int>(random() % (i % 3 == 0 ? 20 : 4000));
    std::optional<DecimalBound> low;
    std::optional<DecimalBound> high;
    if (random() % 5 != 0) low = bound(min, random() % 2);
    if (random() % 5 != 0) high = bound(max, random() % 2);
    const std::string regex = NumberRangeRegex(low, high);
    // Without one, a text that no number is.
    GANTRY_ASSERT_OK_AND_ASSIGN(const Grammar grammar,
                                CompileRegex(regex.empty() ? "none" : regex, AllBytes()));
    const auto inside = [&](int number) {
      if (low.has_value() && (low->exclusive ? number <= min : number < min)) return false;
      return !high.has_value() || (high->exclusive ? number < max : number <= max);
    };
    for (const int edge : {min, max, 0, (min + max) / 2, min / 1000 * 1000, max / 1000 * 1000}) {
      for (int number = edge - 11; number <= edge + 11; ++number) {
        ASSERT_EQ(Accepts(grammar, text(number)), inside(number))
            << text(number) << " in " << text(min) << " to " << text(max) << ": " << regex;
      }
    }
  }
}

TEST(NumberRangeTest, DecimalsAreReadAsJsonWritesThem) {
  const auto parse = [](absl::string_view number) {
    const std::optional<Decimal> value = Decimal::Parse(number);
    if (!value.has_value()) return std::string("none");
    return absl::StrCat(value->negative ? "-" : "", value->whole, ".", value->fraction);
  };
  EXPECT_EQ(parse("-12.50"), "-12.5");
  EXPECT_EQ(parse("1e2"), "100.");
  EXPECT_EQ(parse("1.25e1"), "12.5");
  EXPECT_EQ(parse("1.5e-3"), "0.0015");
  EXPECT_EQ(parse("-0.0"), "0.");
  EXPECT_EQ(parse("1e18"), "none");
  EXPECT_EQ(parse("1e-30"), "none");
}

}  // namespace
}  // namespace gantry
