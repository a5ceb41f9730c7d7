#ifndef GANTRY_PLAN_OUTPUT_SVG_H_
#define GANTRY_PLAN_OUTPUT_SVG_H_

#include <string>

#include "plan/output_table.h"
#include "plan/planner.h"

namespace gantry {

// A picture of a plan: a row a device, as long as its memory, with the layers it holds, their
// cache, what else takes memory and what is free.
std::string FormatPlanSvg(const PlannerModel& model, const PlanResult& result,
                          const PlanReport& report);

}  // namespace gantry

#endif  // GANTRY_PLAN_OUTPUT_SVG_H_
