#ifndef GANTRY_COORDINATOR_PREDICTION_H_
#define GANTRY_COORDINATOR_PREDICTION_H_

#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/membership.h"
#include "coordinator/options.h"
#include "coordinator/served_model.h"
#include "plan/placement.h"

namespace gantry {

// The planner's arithmetic (plan/optimal.h, plan/speed.h) on the workers that are there, with the
// memory that they offer and the bandwidth that they have measured.

// The device map of the fastest placement with these many keys and values, of `bytes` that were
// worked out for them. RESOURCE_EXHAUSTED when nothing fits.
absl::StatusOr<DeviceMap> OptimalDeviceMap(const ServedModel& model,
                                           const CoordinatorOptions& options,
                                           const std::vector<Member>& workers,
                                           const PlacementCosts& bytes, const ServingShape& shape);

// What a placement is predicted to reach with one sequence.
struct SpeedPrediction {
  double decode_tokens_per_s = 0;
  double prefill_tokens_per_s = 0;
  std::vector<double> stage_ms;  // [stages], a decoding step
};
absl::StatusOr<SpeedPrediction> PredictSpeed(const ServedModel& model,
                                             const CoordinatorOptions& options,
                                             const std::vector<Member>& workers,
                                             const Placement& placement);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_PREDICTION_H_
