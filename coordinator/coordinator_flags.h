#ifndef GANTRY_COORDINATOR_COORDINATOR_FLAGS_H_
#define GANTRY_COORDINATOR_COORDINATOR_FLAGS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/options.h"

namespace gantry {

// The options that the flags ask for. INVALID_ARGUMENT "--FLAG: expected ..., found ..." for what
// is out of range, UNIMPLEMENTED for what is not supported yet. Also sets up the log.
absl::StatusOr<CoordinatorOptions> OptionsFromFlags();

// The ranges of the numbers.
absl::Status CheckOptions(const CoordinatorOptions& options);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_COORDINATOR_FLAGS_H_
