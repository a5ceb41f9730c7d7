#ifndef GANTRY_PLAN_OUTPUT_JSON_H_
#define GANTRY_PLAN_OUTPUT_JSON_H_

#include "base/json.h"
#include "plan/output_table.h"
#include "plan/planner.h"

namespace gantry {

// The object that `planner --help` describes.
Json PlanToJson(const PlannerModel& model, const PlanResult& result, const PlanReport& report);

// As from_pretrained(device_map=...) takes it: GPUs as numbers, "cpu" and "disk" as strings.
Json DeviceMapToJson(const DeviceMap& map);

}  // namespace gantry

#endif  // GANTRY_PLAN_OUTPUT_JSON_H_
