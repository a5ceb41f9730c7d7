#ifndef GANTRY_KERNELS_CUDA_NON_FINITE_H_
#define GANTRY_KERNELS_CUDA_NON_FINITE_H_

#include <cuda_runtime.h>

#include "kernels/cuda/step.h"

namespace gantry {

// Sets step.non_finite[r] for every row r of x, [step.rows, features] of `type`, that holds a NaN
// or an infinity, and leaves the others as they are.
cudaError_t LaunchNoteNonFinite(const DeviceStep& step, CudaType type, const void* x, int features,
                                cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_NON_FINITE_H_
