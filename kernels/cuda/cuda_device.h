#ifndef GANTRY_KERNELS_CUDA_CUDA_DEVICE_H_
#define GANTRY_KERNELS_CUDA_CUDA_DEVICE_H_

#include "absl/status/statusor.h"

namespace gantry {

// 10 * major + minor of GPU `device`. NOT_FOUND when there is none, FAILED_PRECONDITION below 7.5.
absl::StatusOr<int> CudaCapability(int device);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CUDA_DEVICE_H_
