#ifndef GANTRY_PLAN_OPTIMAL_H_
#define GANTRY_PLAN_OPTIMAL_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "plan/plan.h"

namespace gantry {

enum class PlanObjective {
  kLatency,     // the fewest seconds a step, then the quickest slowest device
  kThroughput,  // the quickest slowest device, then the fewest seconds a step
};

// The best placement of whole layers on some of the devices. What precedes the layers stays
// together, and so does what follows them. The layers of a device are a run; besides, the device
// that begins may also hold what follows the last layer. The devices may take any order.
//
// Exact for a model whose layers take the same bytes and seconds, for any number of devices: then
// only how many layers a device holds matters, and which devices begin and end. Exact for other
// models while the devices are of few enough kinds (optimal_cuts.h). `exact` says which it was.
struct OptimalPlan {
  std::vector<int> device_of;  // [units]; empty if nothing fits
  bool exact = true;
};
// `usable`: devices that may hold anything, [devices]; empty for all.
OptimalPlan FindOptimalPlan(const PlanCosts& costs, PlanObjective objective,
                            const std::vector<bool>& usable = {});

// Whether there is a placement; quicker than finding the best.
bool CanPlace(const PlanCosts& costs, const std::vector<bool>& usable = {});

}  // namespace gantry

#endif  // GANTRY_PLAN_OPTIMAL_H_
