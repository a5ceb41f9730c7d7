#include "model/grammar/number_range.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gantry {
namespace {

std::string DigitClass(char first, char last) {
  if (first == last) return std::string(1, first);
  return absl::StrCat("[", std::string(1, first), "-", std::string(1, last), "]");
}

std::string AnyDigits(size_t count) { return count == 0 ? "" : absl::StrCat("[0-9]{", count, "}"); }

// The numbers from `low` to `high`, which have equally many digits.
void AppendSameLength(const std::string& prefix, const std::string& low, const std::string& high,
                      std::vector<std::string>* out) {
  const size_t rest = low.size() - 1;
  if (low.find_first_not_of('0') == std::string::npos &&
      high.find_first_not_of('9') == std::string::npos) {
    out->push_back(absl::StrCat(prefix, AnyDigits(low.size())));
    return;
  }
  if (low[0] == high[0]) {
    if (rest == 0) {
      out->push_back(absl::StrCat(prefix, low));
    } else {
      AppendSameLength(prefix + low[0], low.substr(1), high.substr(1), out);
    }
    return;
  }
  // The first digits whose numbers are all within, and the two at the edges.
  const bool whole_low = low.find_first_not_of('0', 1) == std::string::npos;
  const bool whole_high = high.find_first_not_of('9', 1) == std::string::npos;
  const char first = static_cast<char>(low[0] + (whole_low ? 0 : 1));
  const char last = static_cast<char>(high[0] - (whole_high ? 0 : 1));
  if (!whole_low) {
    AppendSameLength(prefix + low[0], low.substr(1), std::string(rest, '9'), out);
  }
  if (first <= last) {
    out->push_back(absl::StrCat(prefix, DigitClass(first, last), AnyDigits(rest)));
  }
  if (!whole_high) {
    AppendSameLength(prefix + high[0], std::string(rest, '0'), high.substr(1), out);
  }
}

// Those of 0 <= min <= max, behind `sign`.
void AppendNatural(absl::string_view sign, int64_t min, int64_t max,
                   std::vector<std::string>* out) {
  while (min <= max) {
    const std::string low = absl::StrCat(min);
    const std::string longest(low.size(), '9');
    const std::string high = absl::StrCat(max).size() > low.size() ? longest : absl::StrCat(max);
    AppendSameLength(std::string(sign), low, high, out);
    if (high != longest || low.size() == kMaxIntegerDigits) break;
    min = std::stoll(high) + 1;
  }
}

}  // namespace

std::string IntegerRangeRegex(int64_t min, int64_t max) {
  std::vector<std::string> alternatives;
  if (min < 0) AppendNatural("-", std::max<int64_t>(1, -max), -min, &alternatives);
  if (max >= 0) AppendNatural("", std::max<int64_t>(0, min), max, &alternatives);
  return absl::StrJoin(alternatives, "|");
}

}  // namespace gantry
