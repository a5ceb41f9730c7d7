#include "base/bytes.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace gantry {

absl::Status Annotate(const absl::Status& status, absl::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

absl::StatusOr<uint64_t> ParseBytes(absl::string_view text) {
  struct Unit {
    absl::string_view suffix;
    double bytes;
  };
  static constexpr Unit kUnits[] = {
      {"kib", 1024.0}, {"mib", 1048576.0}, {"gib", 1073741824.0}, {"tib", 1099511627776.0},
      {"kb", 1e3},     {"mb", 1e6},        {"gb", 1e9},           {"tb", 1e12},
      {"b", 1.0},
  };
  const std::string lower = absl::AsciiStrToLower(text);
  for (const Unit& unit : kUnits) {
    if (!absl::EndsWith(lower, unit.suffix)) continue;
    const absl::string_view number =
        absl::string_view(lower).substr(0, lower.size() - unit.suffix.size());
    double value;
    // Digits and one point only: SimpleAtod would also take "inf", "nan" and "0x10".
    const bool plain = number.find_first_not_of("0123456789.") == absl::string_view::npos;
    if (!plain || number.empty() || !absl::SimpleAtod(number, &value)) break;
    const double bytes = value * unit.bytes;
    if (!(bytes < 9.2e18)) break;
    return static_cast<uint64_t>(std::llround(bytes));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("expected a size such as 24GB or 16GiB, found \"", text, "\""));
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 999.5 && unit < 6) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return absl::StrCat(bytes, " B");
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return absl::StrFormat("%.*f %s", digits, value, kUnits[unit]);
}

uint64_t Fnv1a(absl::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace gantry
