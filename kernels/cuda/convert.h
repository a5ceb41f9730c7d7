#ifndef GANTRY_KERNELS_CUDA_CONVERT_H_
#define GANTRY_KERNELS_CUDA_CONVERT_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/step.h"

namespace gantry {

// to[i] = from[i] for i < count, rounded to nearest even.
cudaError_t LaunchConvert(CudaType from_type, const void* from, int64_t count, CudaType to_type,
                          void* to, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CONVERT_H_
