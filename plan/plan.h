#ifndef GANTRY_PLAN_PLAN_H_
#define GANTRY_PLAN_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "plan/model_tree.h"
#include "plan/placement.h"
#include "plan/plan_costs.h"

namespace gantry {

// What a plan puts on one device. Upper bounds, as plan/memory.h counts.
struct DeviceLoad {
  uint64_t weights_bytes = 0;
  uint64_t kv_cache_bytes = 0;
  uint64_t activations_bytes = 0;
  uint64_t overhead_bytes = 0;  // of the process: CUDA's context, libraries
  uint64_t capacity_bytes = 0;
  double decode_s = 0;   // of its layers, a step
  double prefill_s = 0;  // of its layers, a chunk
  bool used = false;
  uint64_t total_bytes() const {
    return weights_bytes + kv_cache_bytes + activations_bytes + overhead_bytes;
  }
  bool fits() const { return total_bytes() <= capacity_bytes; }
  uint64_t free_bytes() const { return fits() ? capacity_bytes - total_bytes() : 0; }
  uint64_t missing_bytes() const { return fits() ? 0 : total_bytes() - capacity_bytes; }
};

// Predicted, never measured.
struct PlanPrediction {
  double step_s = 0;               // one token of every sequence, through all stages
  double bottleneck_s = 0;         // of which the slowest device takes
  double decode_tokens_per_s = 0;  // batch / step_s
  // With several batches that follow each other through the stages: as many as there are stages, as
  // far as their caches have room.
  double throughput_tokens_per_s = 0;
  int64_t batches_in_flight = 1;
  double time_to_first_token_s = 0;
  double prefill_tokens_per_s = 0;  // of one prompt
};

// Units of the model on devices.
struct Plan {
  std::vector<int> device_of;     // [units]; empty when there is no placement
  std::vector<DeviceLoad> loads;  // [devices]
  PlanPrediction predicted;
  int num_stages = 0;  // runs of units on one device
  bool fits = false;   // every device has room
};

// The loads and the speed of a placement. Requires device_of to be as long as the units.
Plan EvaluatePlan(const PlanCosts& costs, std::vector<int> device_of);

// Bytes of one device's units without its process and activations; `units` in rising order.
uint64_t WeightsTogether(const PlanCosts& costs, const std::vector<int>& units, int kind);

// The device of every unit in a device map, by the rule of plan/placement.h. A unit whose parts lie
// on several devices counts to the one of its largest part. INVALID_ARGUMENT names a unit without
// one and a device that there is not, "disk" too.
absl::StatusOr<std::vector<int>> UnitsFromMap(const ModelTree& tree, const DeviceMap& map,
                                              const std::vector<HardwareDevice>& devices);

// The other way: an entry a unit, and one for each module that shares another's tensor.
DeviceMap MapFromUnits(const ModelTree& tree, const std::vector<int>& device_of,
                       const std::vector<HardwareDevice>& devices);

}  // namespace gantry

#endif  // GANTRY_PLAN_PLAN_H_
