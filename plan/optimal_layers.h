#ifndef GANTRY_PLAN_OPTIMAL_LAYERS_H_
#define GANTRY_PLAN_OPTIMAL_LAYERS_H_

#include <vector>

#include "plan/optimal.h"
#include "plan/placing_problem.h"

namespace gantry {

// The search for a model whose layers are alike. A placement is then how many layers each device
// holds and which devices begin and end; dynamic programming over devices and layers placed so far
// finds the best in O(devices * layers). Empty if nothing fits.
std::vector<int> FindOptimalLayers(const PlacingProblem& problem, PlanObjective objective);

// Whether anything fits; quicker than finding the best.
bool CanPlaceLayers(const PlacingProblem& problem);

}  // namespace gantry

#endif  // GANTRY_PLAN_OPTIMAL_LAYERS_H_
