#ifndef GANTRY_PLAN_PLANNER_FLAGS_H_
#define GANTRY_PLAN_PLANNER_FLAGS_H_

#include <string>

#include "absl/status/statusor.h"
#include "plan/planner.h"
#include "plan/serving_request.h"

namespace gantry {

// The text before the flags in `planner --help`.
extern const char kPlannerUsage[];

enum class PlannerFormat { kTable, kJson, kDeviceMap, kSvg };
enum class PlannerSweep { kNone, kContext, kBatch };

struct PlannerFlags {
  PlannerOptions options;
  ServingRequest serving;  // for UseServingRequest once the model is read
  PlannerFormat format = PlannerFormat::kTable;
  PlannerSweep sweep = PlannerSweep::kNone;
  bool estimate = false;
  std::string output;  // a file; "": stdout
};

// INVALID_ARGUMENT naming the flag. Reads the files that --quantization_config and --device_map
// name.
absl::StatusOr<PlannerFlags> PlannerFlagsFromCommandLine();

}  // namespace gantry

#endif  // GANTRY_PLAN_PLANNER_FLAGS_H_
