#ifndef GANTRY_PROTO_RETRY_INFO_H_
#define GANTRY_PROTO_RETRY_INFO_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace gantry {

// When to try again, as google.rpc.RetryInfo: a payload of the status, which ToGrpcStatus makes a
// detail of the gRPC status and FromGrpcStatus a payload again. `delay` is finite and not negative.
void SetRetryDelay(absl::Duration delay, absl::Status* status);
// Nothing without one, or with one that is malformed or negative.
std::optional<absl::Duration> GetRetryDelay(const absl::Status& status);

}  // namespace gantry

#endif  // GANTRY_PROTO_RETRY_INFO_H_
