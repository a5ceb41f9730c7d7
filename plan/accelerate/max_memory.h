#ifndef GANTRY_PLAN_ACCELERATE_MAX_MEMORY_H_
#define GANTRY_PLAN_ACCELERATE_MAX_MEMORY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace gantry {

// Bytes that may be used on each device: GPUs by number ("0", "1", ...), then "mps", "cpu", "disk".
using MaxMemory = std::vector<std::pair<std::string, uint64_t>>;

// {"0": "20GiB", "cpu": "60GiB"} or {"0": 21474836480}; keys in any order, sizes as in
// base/bytes.h. INVALID_ARGUMENT in accelerate's words for an unknown device.
absl::StatusOr<MaxMemory> ParseMaxMemory(const Json& json, absl::string_view origin);

}  // namespace gantry

#endif  // GANTRY_PLAN_ACCELERATE_MAX_MEMORY_H_
