#ifndef GANTRY_COORDINATOR_HTTP_HTTP_FLAGS_H_
#define GANTRY_COORDINATOR_HTTP_HTTP_FLAGS_H_

#include "absl/status/statusor.h"
#include "coordinator/http/http_options.h"

namespace gantry {

// The options that the flags --http and those that go with it ask for. INVALID_ARGUMENT
// "--FLAG: expected ..., found ...".
absl::StatusOr<HttpOptions> HttpOptionsFromFlags();

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_HTTP_FLAGS_H_
