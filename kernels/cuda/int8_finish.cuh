#ifndef GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_
#define GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_

#include <cuda_fp16.h>

#include "base/quantisation_constants.h"
#include "kernels/cuda/int8.h"
#include "kernels/cuda/numbers.cuh"

namespace gantry {

// The product of one token and one row from its integer sum and the outliers' part, rounded as by
// the reference: to half after the bias and after the outliers. `bias` has been rounded to half.
__device__ __forceinline__ float Int8Element(int sum, float absmax, float scb, float bias,
                                             float extra) {
  const float scaled = (float)sum * absmax * scb;
  return Round<half>(Round<half>(fmaf(scaled, kInt8ProductUnit, bias)) + extra);
}

__device__ __forceinline__ float Int8Bias(const float* bias, int row) {
  return bias != nullptr ? Round<half>(bias[row]) : 0.0f;
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_
