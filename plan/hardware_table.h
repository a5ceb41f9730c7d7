#ifndef GANTRY_PLAN_HARDWARE_TABLE_H_
#define GANTRY_PLAN_HARDWARE_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "plan/planner.h"

namespace gantry {

// What becomes of one model in one scheme on given hardware.
struct ModelOnHardware {
  std::string model;
  uint64_t parameters = 0;
  WeightFormat format;
  std::string scheme;  // "16 bits", "fp32", "int8", "nf4"
  bool fits = false;
  uint64_t weights_bytes = 0;  // if all of it lay on GPUs, or CPUs where there are none
  int64_t max_context = 0;     // in steps of 256, for the options' batch
  int devices = 0;             // that hold something, at the options' context
  double decode_tokens_per_s = 0;
  double time_to_first_token_s = 0;
};

// Every known model in 16 bits, int8 and nf4 with double quantisation (fp32 where there is no GPU),
// for the options' hardware, context and batch. CPUs beside GPUs may hold layers in fp32.
absl::StatusOr<std::vector<ModelOnHardware>> PlanKnownModels(const PlannerOptions& options);

std::string FormatHardwareTable(const std::vector<ModelOnHardware>& rows,
                                const PlannerOptions& options);
Json HardwareTableToJson(const std::vector<ModelOnHardware>& rows);

}  // namespace gantry

#endif  // GANTRY_PLAN_HARDWARE_TABLE_H_
