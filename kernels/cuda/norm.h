#ifndef GANTRY_KERNELS_CUDA_NORM_H_
#define GANTRY_KERNELS_CUDA_NORM_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/step.h"

namespace gantry {

// RMSNorm of each row: out = round(round(x / sqrt(mean(x^2) + eps)) * weight), rounding to `type`
// as transformers does. x and out are [rows, features] of `type` and may be the same; weight is
// [features] floats. A row's bits do not depend on the number of rows.
cudaError_t LaunchRmsNorm(CudaType type, const void* x, const float* weight, float eps, int rows,
                          int features, void* out, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_NORM_H_
