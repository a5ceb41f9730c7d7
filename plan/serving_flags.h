#ifndef GANTRY_PLAN_SERVING_FLAGS_H_
#define GANTRY_PLAN_SERVING_FLAGS_H_

#include "absl/status/statusor.h"
#include "plan/serving_request.h"

namespace gantry {

// The flags --load_in_8bit to --deterministic, which the planner and the coordinator share.
// INVALID_ARGUMENT "--FLAG: expected ..., found ...". Reads the file that --quantization_config
// names.
absl::StatusOr<ServingRequest> ServingRequestFromFlags();

}  // namespace gantry

#endif  // GANTRY_PLAN_SERVING_FLAGS_H_
