#ifndef GANTRY_PLAN_KNOWN_DEVICES_H_
#define GANTRY_PLAN_KNOWN_DEVICES_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "plan/memory.h"

namespace gantry {

// What a vendor says of a device. The figures are peaks; plan/speed.h says what share is reached.
struct KnownDevice {
  absl::string_view name;     // "RTX 4090"
  absl::string_view aliases;  // more names, separated by '|', as NormalDeviceName gives them
  MemoryKind kind = MemoryKind::kGpu;
  int64_t memory_mib = 0;      // as the driver reports it; 0: differs (CPUs)
  double gigabytes_per_s = 0;  // memory bandwidth
  double teraflops = 0;        // dense; GPU: 16-bit with fp32 sums on tensor cores; CPU: fp32 FMA
  double int8_teraops = 0;     // dense; GPU only
  absl::string_view source;
};

absl::Span<const KnownDevice> KnownDevices();

// Small letters and digits only, without "nvidia", "geforce", "amd" or "intel".
std::string NormalDeviceName(absl::string_view name);

// By any of its names, in any spelling that NormalDeviceName makes equal; null if there is none.
const KnownDevice* FindKnownDevice(absl::string_view name, MemoryKind kind);

// Stands in for a device of which only the memory is known: the slowest bandwidth and throughput
// that devices of that size commonly have. Results that rest on it are marked as assumed.
const KnownDevice& AssumedDevice(uint64_t memory_bytes, MemoryKind kind);

// "RTX 3060, RTX 4090, ...": for errors.
std::string KnownDeviceNames(MemoryKind kind);

}  // namespace gantry

#endif  // GANTRY_PLAN_KNOWN_DEVICES_H_
