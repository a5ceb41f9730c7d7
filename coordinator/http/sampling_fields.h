#ifndef GANTRY_COORDINATOR_HTTP_SAMPLING_FIELDS_H_
#define GANTRY_COORDINATOR_HTTP_SAMPLING_FIELDS_H_

#include "absl/status/status.h"
#include "base/json.h"
#include "proto/inference.pb.h"

namespace gantry {

// What both APIs say of how tokens are chosen and when they end: temperature, top_p, top_k, min_p,
// the penalties, seed, max_tokens or max_completion_tokens, min_tokens and stop. Types are checked
// here; ranges are the engine's, but for those of integers.
absl::Status ReadSamplingFields(const Json& json, v1::GenerateRequest* request);

// INVALID_ARGUMENT for a field that means something which is not done here.
absl::Status RefuseUnsupported(const Json& json);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_SAMPLING_FIELDS_H_
