#ifndef GANTRY_KERNELS_CUDA_INT8_OUTLIER_CUH_
#define GANTRY_KERNELS_CUDA_INT8_OUTLIER_CUH_

#include <cuda_fp16.h>

#include "kernels/cuda/int8.h"
#include "kernels/cuda/numbers.cuh"

namespace gantry {

// The weight that an outlier is multiplied with: what its code stands for.
__device__ __forceinline__ float OutlierWeight(float code, float scb) {
  return Round<half>(code * scb * (1.0f / 127.0f));
}
__device__ __forceinline__ float OutlierWeight(const CudaInt8Weights& w, int row, int column) {
  return OutlierWeight((float)w.codes[(int64_t)row * w.cols + column], w.scb[row]);
}

// Whether a token's values are there to be read.
__device__ __forceinline__ bool KeepsValues(const CudaInt8Activations& x,
                                            const CudaInt8Options& options, int token) {
  return options.per_batch || x.token_counts == nullptr || x.token_counts[token] > 0;
}

// A token's activation in an outlier column; 0 if it has been multiplied with the integers, being
// another token's outlier.
__device__ __forceinline__ float OutlierValue(const CudaInt8Activations& x, int cols,
                                              const CudaInt8Options& options, int token,
                                              int column) {
  const float value = __half2float(x.values[(int64_t)token * cols + column]);
  return options.per_batch || fabsf(value) >= options.threshold ? value : 0.0f;
}

// An entry of CudaInt8Activations::token_outliers: the column, of 16 bits, below the value.
__device__ __forceinline__ uint32_t PackOutlier(int column, half value) {
  return (uint32_t)__half_as_ushort(value) << 16 | column;
}
__device__ __forceinline__ int OutlierColumn(uint32_t packed) { return packed & 0xffff; }
__device__ __forceinline__ float OutlierValue(uint32_t packed) {
  return __half2float(__ushort_as_half(packed >> 16));
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_OUTLIER_CUH_
