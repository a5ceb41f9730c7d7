#ifndef GANTRY_WORKER_HOST_MEMORY_INFO_H_
#define GANTRY_WORKER_HOST_MEMORY_INFO_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// Bytes that this process may take: MemAvailable of /proc/meminfo or the limit of its control
// group, whichever is less. UNAVAILABLE when neither can be read.
absl::StatusOr<uint64_t> AvailableMemory();

// Bytes of this process in memory; 0 when unknown.
uint64_t ResidentMemory();

// The number of kB behind "KEY:" of /proc/meminfo's text, in bytes.
std::optional<uint64_t> MeminfoField(absl::string_view text, absl::string_view key);

// A control group's limit file: bytes, or nothing for "max" and for what is no number.
std::optional<uint64_t> ParseCgroupLimit(absl::string_view text);

}  // namespace gantry

#endif  // GANTRY_WORKER_HOST_MEMORY_INFO_H_
