#ifndef GANTRY_PLAN_ACCELERATE_DEVICE_MAP_H_
#define GANTRY_PLAN_ACCELERATE_DEVICE_MAP_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plan/accelerate/max_memory.h"
#include "plan/model_tree.h"
#include "plan/placement.h"
#include "plan/quantization.h"

namespace gantry {

// accelerate's own placements, module for module: utils/modeling.py of version 1.15.

enum class AccelerateMode { kAuto, kBalanced, kBalancedLow0, kSequential };
absl::StatusOr<AccelerateMode> ParseAccelerateMode(absl::string_view name);

// The device map for `max_memory` (bytes that the user allows on each device, in order). "auto" is
// "balanced". `memory_fraction` scales every entry after balancing. Devices in the result: "0",
// "1", "cpu", "disk". INVALID_ARGUMENT for a fraction outside (0, 1].
absl::StatusOr<DeviceMap> InferDeviceMap(const ModelTree& tree, const WeightFormat& format,
                                         const MaxMemory& max_memory, AccelerateMode mode,
                                         double memory_fraction = 1);

// get_balanced_memory: the limits that spread the model over the GPUs. `low_zero`: as little as
// possible on GPU 0. `user_set`: false when the limits are merely what is free.
MaxMemory BalancedMemory(const ModelTree& tree, const WeightFormat& format, MaxMemory max_memory,
                         bool low_zero, bool user_set = true);

// check_device_map: INVALID_ARGUMENT "The device_map provided does not give any device for the
// following parameters: ..." (the first few are named).
absl::Status CheckDeviceMap(const ModelTree& tree, const DeviceMap& map);

// transformers' validate_environment: INVALID_ARGUMENT "Some modules are dispatched on the CPU or
// the disk. ..." for a map with "cpu" or "disk" beside other devices under int8 or 4-bit without
// llm_int8_enable_fp32_cpu_offload.
absl::Status CheckOffload(const DeviceMap& map, const QuantizationOptions& options);

}  // namespace gantry

#endif  // GANTRY_PLAN_ACCELERATE_DEVICE_MAP_H_
