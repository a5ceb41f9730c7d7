#ifndef GANTRY_MODEL_CONFIG_FIELDS_H_
#define GANTRY_MODEL_CONFIG_FIELDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "model/config.h"

// Pieces of the parsers of config.json and generation_config.json. Errors say "FIELD: expected
// ..., found ..." and leave the file's name to the caller.
namespace gantry {

// At most 100 characters of a value or a name from a file, fit for an error.
std::string ExcerptJson(const Json& value);
std::string Excerpt(absl::string_view text);

absl::Status WrongField(absl::string_view field, absl::string_view expected,
                        absl::string_view found);

// "eos_token_id": an id, a list of ids, or nothing.
absl::StatusOr<std::vector<int32_t>> GetTokenIds(const Json& json, absl::string_view key);

// The rotary embedding of a config whose other fields are filled in. Both the old form
// (rope_theta, rope_scaling) and the new (rope_parameters).
absl::StatusOr<RopeConfig> ParseRopeConfig(const Json& json, const ModelConfig& config);

// How many of a head's elements are rotated, rounded down.
inline int64_t RotaryDim(int64_t head_dim, const RopeConfig& rope) {
  return static_cast<int64_t>(static_cast<double>(head_dim) * rope.partial_rotary_factor);
}

}  // namespace gantry

#endif  // GANTRY_MODEL_CONFIG_FIELDS_H_
