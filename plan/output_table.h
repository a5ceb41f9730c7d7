#ifndef GANTRY_PLAN_OUTPUT_TABLE_H_
#define GANTRY_PLAN_OUTPUT_TABLE_H_

#include <string>
#include <vector>

#include "plan/explain.h"
#include "plan/planner.h"

namespace gantry {

// What is worked out beside a plan to show it.
struct PlanReport {
  int64_t max_context = 0;  // that would still fit; 0 when it was not looked for
  std::vector<std::string> explanation;
  std::vector<PlanSuggestion> suggestions;
};

struct TableStyle {
  bool color = false;
  bool utf8 = true;  // bars of block characters; otherwise of '#', '=' and '-'
};

std::string FormatPlanTable(const PlannerModel& model, const PlanResult& result,
                            const PlanReport& report, const TableStyle& style);

// "23.4", "1,234": three significant digits.
std::string FormatSpeed(double tokens_per_s);
// "70.6 B", "568 M".
std::string FormatParameters(uint64_t count);

}  // namespace gantry

#endif  // GANTRY_PLAN_OUTPUT_TABLE_H_
