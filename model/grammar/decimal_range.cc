// NumberRangeRegex: bounds are compared digit by digit, first the integers before the point and,
// where those are equal, what is behind it.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "model/grammar/number_range.h"

namespace gantry {
namespace {

// Expressions of what may stand behind the point: `min_digits` (0 or 1) to kMaxFractionDigits
// digits.
using Fractions = std::vector<std::string>;

std::string Digit(char first, char last) {
  return absl::StrCat("[", std::string(1, first), "-", std::string(1, last), "]");
}
std::string Repeated(absl::string_view digit, int min) {
  return absl::StrCat(digit, "{", min, ",", kMaxFractionDigits - 1, "}");
}
void AppendBehind(char digit, const Fractions& rest, Fractions* out) {
  for (const std::string& one : rest) out->push_back(std::string(1, digit) + one);
}

// Fractions 0.x >= 0.min, or > if exclusive.
Fractions AtLeast(absl::string_view min, bool exclusive, int min_digits) {
  if (min.empty() && !exclusive) return {Repeated("[0-9]", min_digits)};
  if (min.empty()) return {absl::StrCat(Repeated("0", 0), "[1-9]", Repeated("[0-9]", 0))};
  Fractions out;
  if (min[0] < '9') out.push_back(Digit(min[0] + 1, '9') + Repeated("[0-9]", 0));
  AppendBehind(min[0], AtLeast(min.substr(1), exclusive, 0), &out);
  return out;
}

Fractions AtMost(absl::string_view max, bool exclusive, int min_digits) {
  if (max.empty() && exclusive) return {};
  if (max.empty()) return {Repeated("0", min_digits)};
  Fractions out;
  if (min_digits == 0) out.push_back("");
  if (max[0] > '0') out.push_back(Digit('0', max[0] - 1) + Repeated("[0-9]", 0));
  AppendBehind(max[0], AtMost(max.substr(1), exclusive, 0), &out);
  return out;
}

Fractions Between(absl::string_view min, bool min_exclusive, absl::string_view max,
                  bool max_exclusive, int min_digits) {
  if (min.empty() && !min_exclusive) return AtMost(max, max_exclusive, min_digits);
  if (max.empty()) return {};
  const char low = min.empty() ? '0' : min[0];
  const absl::string_view min_rest = min.empty() ? min : min.substr(1);
  Fractions out;
  if (low == max[0]) {
    AppendBehind(low, Between(min_rest, min_exclusive, max.substr(1), max_exclusive, 0), &out);
    return out;
  }
  AppendBehind(low, AtLeast(min_rest, min_exclusive, 0), &out);
  if (low + 1 < max[0]) out.push_back(Digit(low + 1, max[0] - 1) + Repeated("[0-9]", 0));
  AppendBehind(max[0], AtMost(max.substr(1), max_exclusive, 0), &out);
  return out;
}

void AppendNumber(absl::string_view sign, const std::string& whole, const Fractions& fractions,
                  bool without_fraction, std::vector<std::string>* out) {
  if (fractions.empty() && !without_fraction) return;
  std::string number = absl::StrCat(sign, "(?:", whole, ")");
  if (!fractions.empty()) {
    absl::StrAppend(&number, "(?:\\.(?:", absl::StrJoin(fractions, "|"), "))",
                    without_fraction ? "?" : "");
  }
  out->push_back(number);
}

// Magnitudes from `min` to `max`, which may be absent.
void AppendRange(absl::string_view sign, const DecimalBound& min,
                 const std::optional<DecimalBound>& max, std::vector<std::string>* out) {
  const std::string& low = min.value.fraction;
  const bool low_itself = low.empty() && !min.exclusive;
  const auto whole = [](int64_t number) { return absl::StrCat(number); };
  if (max.has_value() && max->value.whole == min.value.whole) {
    const std::string& high = max->value.fraction;
    AppendNumber(sign, whole(min.value.whole), Between(low, min.exclusive, high, max->exclusive, 1),
                 low_itself && (!high.empty() || !max->exclusive), out);
    return;
  }
  AppendNumber(sign, whole(min.value.whole), AtLeast(low, min.exclusive, 1), low_itself, out);
  const int64_t last = max.has_value() ? max->value.whole - 1 : kMaxInteger;
  if (min.value.whole < last) {
    AppendNumber(sign, IntegerRangeRegex(min.value.whole + 1, last), AtLeast("", false, 1), true,
                 out);
  }
  if (max.has_value()) {
    const std::string& high = max->value.fraction;
    AppendNumber(sign, whole(max->value.whole), AtMost(high, max->exclusive, 1),
                 !high.empty() || !max->exclusive, out);
  }
}

// Of the magnitudes; a fraction's digits compare as text.
bool Less(const Decimal& a, const Decimal& b) {
  return a.whole != b.whole ? a.whole < b.whole : a.fraction < b.fraction;
}

}  // namespace

std::optional<Decimal> Decimal::Parse(absl::string_view number) {
  Decimal decimal;
  decimal.negative = absl::ConsumePrefix(&number, "-");
  int exponent = 0;
  if (const size_t e = number.find_first_of("eE"); e != absl::string_view::npos) {
    if (!absl::SimpleAtoi(number.substr(e + 1), &exponent) || std::abs(exponent) > 400) {
      return std::nullopt;
    }
    number = number.substr(0, e);
  }
  // The digits, and how many of them stand before the point.
  const size_t dot = std::min(number.find('.'), number.size());
  std::string digits(number.substr(0, dot));
  if (dot < number.size()) absl::StrAppend(&digits, number.substr(dot + 1));
  int before = static_cast<int>(dot) + exponent;
  if (before < 0) digits.insert(0, -before, '0');
  before = std::max(before, 0);
  if (digits.size() < before) digits.append(before - digits.size(), '0');
  std::string whole = digits.substr(0, before);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  decimal.fraction = digits.substr(before);
  decimal.fraction.erase(decimal.fraction.find_last_not_of('0') + 1);
  if (whole.size() > kMaxIntegerDigits || decimal.fraction.size() > kMaxFractionDigits) {
    return std::nullopt;
  }
  if (!whole.empty() && !absl::SimpleAtoi(whole, &decimal.whole)) return std::nullopt;
  if (decimal.whole == 0 && decimal.fraction.empty()) decimal.negative = false;
  return decimal;
}

std::string NumberRangeRegex(const std::optional<DecimalBound>& min,
                             const std::optional<DecimalBound>& max) {
  std::vector<std::string> numbers;
  const bool max_negative = max.has_value() && max->value.negative;
  const bool min_negative = !min.has_value() || min->value.negative;
  if (min_negative) {
    // From the magnitude of max, or what is beyond zero, to that of min.
    const DecimalBound least = max_negative ? *max : DecimalBound{Decimal(), true};
    if (!min.has_value() || !Less(min->value, least.value)) AppendRange("-", least, min, &numbers);
  }
  if (!max_negative) {
    const DecimalBound least = min_negative ? DecimalBound() : *min;
    if (!max.has_value() || !Less(max->value, least.value)) AppendRange("", least, max, &numbers);
  }
  return absl::StrJoin(numbers, "|");
}

}  // namespace gantry
