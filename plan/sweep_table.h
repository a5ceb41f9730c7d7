#ifndef GANTRY_PLAN_SWEEP_TABLE_H_
#define GANTRY_PLAN_SWEEP_TABLE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "plan/planner.h"

namespace gantry {

// One plan of a sweep.
struct SweepRow {
  int64_t context = 0;
  int64_t batch = 0;
  bool fits = false;
  int devices = 0;
  uint64_t kv_cache_bytes = 0;
  uint64_t free_bytes = 0;     // of the fullest device
  uint64_t missing_bytes = 0;  // as PlanResult says
  PlanPrediction predicted;
};

// Plans for doubling contexts (from 1024 to what the model can, at most 2^20) or batches (1 to
// 512), the options' own among them.
absl::StatusOr<std::vector<SweepRow>> SweepContext(const PlannerModel& model,
                                                   const PlannerOptions& options);
absl::StatusOr<std::vector<SweepRow>> SweepBatch(const PlannerModel& model,
                                                 const PlannerOptions& options);

std::string FormatSweepTable(const PlannerModel& model, const std::vector<SweepRow>& rows);
Json SweepToJson(const std::vector<SweepRow>& rows);

}  // namespace gantry

#endif  // GANTRY_PLAN_SWEEP_TABLE_H_
