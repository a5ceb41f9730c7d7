#ifndef GANTRY_BASE_JSON_H_
#define GANTRY_BASE_JSON_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace gantry {

// nlohmann's library parses what it later crashes on, keeps the last of two equal keys, and
// converts numbers by wrapping. All JSON of this project comes in by ParseJson and out by the
// getters below.
using Json = nlohmann::ordered_json;

struct JsonLimits {
  uint64_t max_bytes = 64 << 20;
  int max_depth = 64;
};

// INVALID_ARGUMENT naming `origin` (a file or a field), the byte offset and the reason on:
// malformed text, text beyond the limits, a byte order mark, ill-formed UTF-8, a key given twice, a
// number out of double's range.
absl::StatusOr<Json> ParseJson(absl::string_view text, absl::string_view origin,
                               const JsonLimits& limits = {});
// Reads and parses a file.
absl::StatusOr<Json> ReadJsonFile(const std::string& path, const JsonLimits& limits = {});

// Compact text. Ill-formed UTF-8 is replaced by U+FFFD; never throws.
std::string DumpJson(const Json& json, int indent = -1);

// The member `key` of an object, or null when it is absent or JSON null. Linear in the number of
// members.
const Json* FindMember(const Json& object, absl::string_view key);

// Typed members. Each returns INVALID_ARGUMENT "KEY: expected ..., found ..." for a wrong type or a
// number out of [min, max] (also NaN), and NOT_FOUND-free: the *Or forms give `fallback` for a
// member that is absent or null.
absl::StatusOr<int64_t> GetInt(const Json& object, absl::string_view key, int64_t min, int64_t max);
absl::StatusOr<int64_t> GetIntOr(const Json& object, absl::string_view key, int64_t min,
                                 int64_t max, int64_t fallback);
absl::StatusOr<double> GetDouble(const Json& object, absl::string_view key, double min, double max);
absl::StatusOr<double> GetDoubleOr(const Json& object, absl::string_view key, double min,
                                   double max, double fallback);
absl::StatusOr<bool> GetBoolOr(const Json& object, absl::string_view key, bool fallback);
absl::StatusOr<std::string> GetString(const Json& object, absl::string_view key);
absl::StatusOr<std::string> GetStringOr(const Json& object, absl::string_view key,
                                        absl::string_view fallback);

}  // namespace gantry

#endif  // GANTRY_BASE_JSON_H_
