#ifndef GANTRY_PLAN_EXPLAIN_H_
#define GANTRY_PLAN_EXPLAIN_H_

#include <string>
#include <vector>

#include "plan/planner.h"

namespace gantry {

// A run of consecutive units on one device.
struct PlanStage {
  int device = 0;
  int begin = 0;  // units [begin, end)
  int end = 0;
};
std::vector<PlanStage> StagesOf(const Plan& plan);

// "GPU 0", "CPU", "CPU 1".
std::string DeviceTitle(const HardwareDevice& device);

// "35.9 ms", "4.13 s".
std::string FormatSeconds(double seconds);

// "embedding, layers 0-15" for what a device holds of the model.
std::string DescribeUnits(const ModelTree& tree, const std::vector<int>& units);

// Sentences: why each boundary lies where it does, and what limits memory and speed.
std::vector<std::string> ExplainPlan(const ModelTree& tree, const PlanResult& result);

// A change with which the model would fit, as a command that has been planned and fits.
struct PlanSuggestion {
  std::string change;  // "int8 weights"
  std::string command;
};
// The cheapest ones first: what costs nothing, what costs accuracy or context, what costs money.
std::vector<PlanSuggestion> SuggestChanges(const PlannerModel& model, const PlannerOptions& options,
                                           const PlanResult& result);

}  // namespace gantry

#endif  // GANTRY_PLAN_EXPLAIN_H_
