#ifndef GANTRY_PLAN_DEVICE_SPEC_H_
#define GANTRY_PLAN_DEVICE_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plan/memory.h"

namespace gantry {

// A device that a plan may use, real or imagined.
struct HardwareDevice {
  std::string name;     // as in a device map: "0", "1" for GPUs, "cpu", "cpu:1" for CPUs
  std::string product;  // "RTX 4090"; "" when only figures were given
  MemoryKind kind = MemoryKind::kGpu;
  uint64_t memory_bytes = 0;   // that may be used
  double bytes_per_s = 0;      // memory bandwidth
  double flops = 0;            // GPU: 16-bit on tensor cores; CPU: fp32
  double int8_ops = 0;         // GPU only
  bool assumed_speed = false;  // bandwidth is a guess from the size
};

// What activations cross between stages. The defaults are gRPC on one host, as measured: 50 us a
// hop, 1 GB/s.
struct NetworkLink {
  double bytes_per_s = 1e9;
  double latency_s = 50e-6;
};

struct Hardware {
  std::vector<HardwareDevice> devices;  // GPUs first
  NetworkLink network;
};

inline constexpr int kMaxDevices = 1024;
inline constexpr uint64_t kMinDeviceBytes = 1'000'000;
inline constexpr uint64_t kMaxDeviceBytes = 1'000'000'000'000'000;

// "2x24GB,1x80GB", "2xRTX4090,1xH200", "2x24GB@1008GB/s" and "1x20GB@RTX4090" (so much memory of
// such a card). "1x" may be left out. Sizes as in base/bytes.h. INVALID_ARGUMENT quotes the part
// that is wrong and gives an example; more than kMaxDevices is one such error. `flag`: "--gpus".
absl::StatusOr<std::vector<HardwareDevice>> ParseDevices(absl::string_view text, MemoryKind kind,
                                                         absl::string_view flag);

// "10Gbit,0.2ms", "1GB/s", "50us": a rate, a latency or both. The latency is added to what a hop
// costs in software.
absl::StatusOr<NetworkLink> ParseNetwork(absl::string_view text, absl::string_view flag);

// "0", "1", ... and "cpu", "cpu:1", ...: names the devices in their order.
void NameDevices(std::vector<HardwareDevice>* devices);

}  // namespace gantry

#endif  // GANTRY_PLAN_DEVICE_SPEC_H_
