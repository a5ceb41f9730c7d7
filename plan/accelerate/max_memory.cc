#include "plan/accelerate/max_memory.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr int kMaxGpus = 1 << 20;
constexpr size_t kMaxDevices = 4096;

// GPUs by number, then in this order; -1 for what is no device.
int64_t DeviceOrder(const std::string& key) {
  int gpu;
  const bool digits = !key.empty() && key.find_first_not_of("0123456789") == std::string::npos;
  if (digits && (key == "0" || key[0] != '0') && absl::SimpleAtoi(key, &gpu) && gpu < kMaxGpus) {
    return gpu;
  }
  constexpr absl::string_view kOthers[] = {"mps", "cpu", "disk"};
  for (int i = 0; i < 3; ++i) {
    if (key == kOthers[i]) return kMaxGpus + i;
  }
  return -1;
}

absl::StatusOr<uint64_t> ParseLimit(const Json& value) {
  if (value.is_string()) return ParseBytes(value.get<std::string>());
  if (value.is_number_unsigned() && value.get<uint64_t>() < uint64_t{1} << 63) {
    return value.get<uint64_t>();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "expected bytes, as a number or as text such as \"20GiB\", found ", ExcerptJson(value)));
}

}  // namespace

absl::StatusOr<MaxMemory> ParseMaxMemory(const Json& json, absl::string_view origin) {
  if (!json.is_object() || json.size() > kMaxDevices) {
    return absl::InvalidArgumentError(
        absl::StrCat(origin,
                     ": expected a JSON object of devices and bytes, such as {\"0\": \"20GiB\", "
                     "\"cpu\": \"60GiB\"}"));
  }
  MaxMemory limits;
  for (const auto& entry : json.items()) {
    if (DeviceOrder(entry.key()) < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          origin, ": Device ", Excerpt(entry.key()),
          " is not recognized, available devices are integers(for GPU/XPU), 'mps', 'cpu' and "
          "'disk'"));
    }
    absl::StatusOr<uint64_t> bytes = ParseLimit(entry.value());
    if (!bytes.ok()) {
      return Annotate(bytes.status(), absl::StrCat(origin, ": ", entry.key()));
    }
    limits.emplace_back(entry.key(), *bytes);
  }
  std::sort(limits.begin(), limits.end(), [](const auto& a, const auto& b) {
    return DeviceOrder(a.first) < DeviceOrder(b.first);
  });
  return limits;
}

}  // namespace gantry
