#ifndef GANTRY_COORDINATOR_STEP_COST_H_
#define GANTRY_COORDINATOR_STEP_COST_H_

#include <vector>

#include "absl/time/time.h"
#include "proto/stage.pb.h"

namespace gantry {

// What a step took in one stage, by the worker's clock; clocks of machines are not compared.
struct StageCost {
  float queued_s = 0;  // in the worker's queue
  float computed_s = 0;
};

// What the stages say of a step that was `took` on its way. Empty unless each of them says
// something that can be: seconds that are finite, not negative, and together no more than `took`.
std::vector<StageCost> ReadStageCosts(const v1::StepHeader& result, int stages,
                                      absl::Duration took);
// The sum over all stages.
absl::Duration TotalOf(const std::vector<StageCost>& costs);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_STEP_COST_H_
