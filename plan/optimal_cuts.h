#ifndef GANTRY_PLAN_OPTIMAL_CUTS_H_
#define GANTRY_PLAN_OPTIMAL_CUTS_H_

#include "plan/optimal.h"
#include "plan/placing_problem.h"

namespace gantry {

// The search for a model whose layers differ (encoder and decoder, modules left unquantised):
// dynamic programming over the end of the last run of layers and how many devices of each kind are
// used. Exact while the states times the transitions are below a bound; above it, the best that
// keeps the devices in one of three orders (as given, fastest first, largest first).
OptimalPlan FindOptimalCuts(const PlacingProblem& problem, const PlanCosts& costs,
                            PlanObjective objective);

}  // namespace gantry

#endif  // GANTRY_PLAN_OPTIMAL_CUTS_H_
