#include "plan/optimal.h"

#include "plan/optimal_cuts.h"
#include "plan/optimal_layers.h"
#include "plan/placing_problem.h"

namespace gantry {

OptimalPlan FindOptimalPlan(const PlanCosts& costs, PlanObjective objective,
                            const std::vector<bool>& usable) {
  const PlacingProblem problem(costs, usable);
  if (!problem.uniform()) return FindOptimalCuts(problem, costs, objective);
  return OptimalPlan{FindOptimalLayers(problem, objective), true};
}

bool CanPlace(const PlanCosts& costs, const std::vector<bool>& usable) {
  const PlacingProblem problem(costs, usable);
  if (problem.uniform()) return CanPlaceLayers(problem);
  return !FindOptimalCuts(problem, costs, PlanObjective::kLatency).device_of.empty();
}

}  // namespace gantry
