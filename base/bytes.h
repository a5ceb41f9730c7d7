#ifndef GANTRY_BASE_BYTES_H_
#define GANTRY_BASE_BYTES_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// "24GB" = 24e9, "24GiB" = 24 * 2^30, also KB, MB, TB, KiB, MiB, TiB, B, in any letter case ("gb"
// is GB; accelerate would read bits). A fraction is allowed ("1.5GB"). Errors on anything else, on
// negative and on values of 2^63 and above.
absl::StatusOr<uint64_t> ParseBytes(absl::string_view text);

// "1.50 GB", "8.10 MB", "512 B": decimal units, three significant digits.
std::string FormatBytes(uint64_t bytes);

// a * b, or false when the product does not fit.
inline bool CheckedMultiply(uint64_t a, uint64_t b, uint64_t* product) {
  return !__builtin_mul_overflow(a, b, product);
}
inline bool CheckedAdd(uint64_t a, uint64_t b, uint64_t* sum) {
  return !__builtin_add_overflow(a, b, sum);
}

// FNV-1a, 64 bits: tells versions of a file apart, keeps nobody from forging one.
uint64_t Fnv1a(absl::string_view bytes);

}  // namespace gantry

#endif  // GANTRY_BASE_BYTES_H_
