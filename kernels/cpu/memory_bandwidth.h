#ifndef GANTRY_KERNELS_CPU_MEMORY_BANDWIDTH_H_
#define GANTRY_KERNELS_CPU_MEMORY_BANDWIDTH_H_

#include "absl/status/statusor.h"

namespace gantry {

// Bytes a second that `threads` threads together read from memory: the best of some passes over a
// buffer that no cache holds, in about a quarter of a second. RESOURCE_EXHAUSTED when there is no
// memory for the buffer.
absl::StatusOr<double> MeasureReadBandwidth(int threads);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_MEMORY_BANDWIDTH_H_
