#ifndef GANTRY_PLAN_PLACEMENT_H_
#define GANTRY_PLAN_PLACEMENT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/dtype.h"
#include "base/json.h"
#include "model/modules.h"
#include "plan/placement_costs.h"

namespace gantry {

// A device that may hold modules. In the coordinator: a worker.
struct DeviceSpec {
  std::string name;
  std::string device;         // "cpu", "cuda:0"
  uint64_t memory_bytes = 0;  // that may be used
  MemoryKind kind() const;
};
// Of "cuda:0" and the like: a GPU's; of all else a CPU's.
MemoryKind KindOfDevice(absl::string_view device);

// A run of consecutive modules on one device.
struct StagePlan {
  int device = 0;  // index into the devices
  int begin = 0;   // modules [begin, end)
  int end = 0;
  Scheme scheme = Scheme::kFp32;  // of its largest matrix
  uint64_t predicted_bytes = 0;  // weights, keys and values; the workspace is counted once a device
};

struct DeviceLedger {
  uint64_t weights_bytes = 0;
  uint64_t kv_cache_bytes = 0;
  uint64_t workspace_bytes = 0;
  uint64_t capacity_bytes = 0;
  uint64_t total_bytes() const { return weights_bytes + kv_cache_bytes + workspace_bytes; }
};

struct Placement {
  std::vector<StagePlan> stages;      // in the order they run; never empty
  std::vector<DeviceLedger> ledgers;  // [devices]
};

// Contiguous modules over the GPUs and then the CPUs, in their order: over the GPUs alone if the
// model fits, each filled to the same share of its memory, so that the fullest is as empty as can
// be; otherwise the GPUs are full and the CPUs share the rest in this way. A device may get
// nothing. RESOURCE_EXHAUSTED, with the bytes that are missing, when the model does not fit; also
// when it would with CPUs beside the GPUs and they may not hold any.
absl::StatusOr<Placement> PlaceContiguous(const PlacementCosts& costs,
                                          const std::vector<DeviceSpec>& devices);

// An accelerate device map: module prefix -> device; the longest prefix that ends at a dot wins, ""
// is everything.
using DeviceMap = std::vector<std::pair<std::string, std::string>>;

// A JSON object of strings and integers. INVALID_ARGUMENT names the key.
absl::StatusOr<DeviceMap> ParseDeviceMap(const Json& json, absl::string_view origin);

// The placement a device map asks for, exactly; it may come back to a device it has left. A device
// is named by its name; by "cpu" or "cpu:N" (the Nth CPU); or by N or "cuda:N": the one GPU of that
// number, or the Nth when several machines have one. INVALID_ARGUMENT names a module without a
// device, a key that is no module, a key within a layer that splits it, a device that is not there,
// or a CPU that may not hold modules beside GPUs; RESOURCE_EXHAUSTED when it does not fit.
absl::StatusOr<Placement> PlaceByMap(const std::vector<ModuleSpec>& modules,
                                     const PlacementCosts& costs,
                                     const std::vector<DeviceSpec>& devices, const DeviceMap& map);

}  // namespace gantry

#endif  // GANTRY_PLAN_PLACEMENT_H_
