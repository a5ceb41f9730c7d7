// --gpus, --cpus and --network: any text is devices within the limits, or an error that says so.

#include <cmath>
#include <cstdlib>

#include "plan/device_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (gantry::MemoryKind kind : {gantry::MemoryKind::kGpu, gantry::MemoryKind::kCpu}) {
    const auto devices = gantry::ParseDevices(text, kind, "--gpus");
    if (!devices.ok()) {
      if (!absl::IsInvalidArgument(devices.status())) std::abort();
      continue;
    }
    if (devices->empty() || devices->size() > gantry::kMaxDevices) std::abort();
    for (const gantry::HardwareDevice& device : *devices) {
      if (device.memory_bytes < gantry::kMinDeviceBytes) std::abort();
      if (device.memory_bytes > gantry::kMaxDeviceBytes) std::abort();
      if (!(device.bytes_per_s > 0) || !std::isfinite(device.bytes_per_s)) std::abort();
      if (!(device.flops > 0) || !std::isfinite(device.flops)) std::abort();
    }
  }
  const auto network = gantry::ParseNetwork(text, "--network");
  if (network.ok() && !(network->bytes_per_s > 0 && network->latency_s >= 0 &&
                        std::isfinite(network->bytes_per_s) && std::isfinite(network->latency_s))) {
    std::abort();
  }
  return 0;
}
