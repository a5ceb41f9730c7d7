#ifndef GANTRY_MODEL_GRAMMAR_NUMBER_RANGE_H_
#define GANTRY_MODEL_GRAMMAR_NUMBER_RANGE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// Integers of this many digits are written, and no more.
inline constexpr int kMaxIntegerDigits = 18;
inline constexpr int64_t kMaxInteger = 999'999'999'999'999'999;
// And of this many behind the point.
inline constexpr int kMaxFractionDigits = 20;

// An expression (regex.h) of the integers in [min, max] as JSON writes them. Requires
// -kMaxInteger <= min <= max <= kMaxInteger.
std::string IntegerRangeRegex(int64_t min, int64_t max);

// A decimal fraction.
struct Decimal {
  bool negative = false;  // false for zero
  int64_t whole = 0;      // of the magnitude, at most kMaxInteger
  std::string fraction;   // its digits behind the point, the last of them not 0

  // From a number as JSON writes it. Null for one with more than kMaxIntegerDigits before the point
  // or kMaxFractionDigits behind it.
  static std::optional<Decimal> Parse(absl::string_view number);
};
struct DecimalBound {
  Decimal value;
  bool exclusive = false;
};
// An expression of the numbers within the bounds, without exponents; empty if there is none.
std::string NumberRangeRegex(const std::optional<DecimalBound>& min,
                             const std::optional<DecimalBound>& max);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_NUMBER_RANGE_H_
