#include "coordinator/step_cost.h"

#include <cmath>

namespace gantry {
namespace {

// By how much clocks that run side by side may differ.
constexpr absl::Duration kSlack = absl::Milliseconds(1);
constexpr double kDrift = 1.001;

bool CanBe(float seconds) { return std::isfinite(seconds) && seconds >= 0; }

}  // namespace

std::vector<StageCost> ReadStageCosts(const v1::StepHeader& result, int stages,
                                      absl::Duration took) {
  if (result.costs_size() != stages) return {};
  std::vector<StageCost> costs;
  costs.reserve(stages);
  for (const v1::StageCost& cost : result.costs()) {
    const bool sound =
        cost.stage() == costs.size() && CanBe(cost.queued_s()) && CanBe(cost.computed_s());
    if (!sound) return {};
    costs.push_back({cost.queued_s(), cost.computed_s()});
  }
  if (TotalOf(costs) > took * kDrift + kSlack) return {};
  return costs;
}

absl::Duration TotalOf(const std::vector<StageCost>& costs) {
  double seconds = 0;
  for (const StageCost& cost : costs) seconds += double{cost.queued_s} + double{cost.computed_s};
  return absl::Seconds(seconds);
}

}  // namespace gantry
