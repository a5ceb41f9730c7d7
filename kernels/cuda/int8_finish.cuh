#ifndef GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_
#define GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_

#include <cuda_fp16.h>

#include "base/quantisation_constants.h"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/int8.h"

namespace gantry {

// The weight that an outlier is multiplied with.
__device__ __forceinline__ float OutlierWeight(const CudaInt8Weights& w, int row, int column) {
  const int64_t at = (int64_t)row * w.cols + column;
  return w.values != nullptr ? __half2float(w.values[at])
                             : Round<half>((float)w.codes[at] * w.scb[row] * (1.0f / 127.0f));
}

// A token's activation in an outlier column; 0 if it has been multiplied with the integers, being
// another token's outlier.
__device__ __forceinline__ float OutlierValue(const CudaInt8Activations& x, int cols,
                                              const CudaInt8Options& options, int token,
                                              int column) {
  const float value = __half2float(x.values[(int64_t)token * cols + column]);
  return options.per_batch || fabsf(value) >= options.threshold ? value : 0.0f;
}

// The product of one token and one row from its integer sum and the outliers' part, rounded as by
// the reference: to half after the bias and after the outliers.
__device__ __forceinline__ float Int8Element(const CudaInt8Weights& w, const CudaInt8Activations& x,
                                             const float* bias, int token, int row, int sum,
                                             float extra) {
  const float scaled = (float)sum * x.absmax[token] * w.scb[row];
  const float value =
      Round<half>(fmaf(scaled, kInt8ProductUnit, bias != nullptr ? Round<half>(bias[row]) : 0.0f));
  return Round<half>(value + extra);
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_
