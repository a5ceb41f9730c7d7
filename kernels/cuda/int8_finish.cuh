#ifndef GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_
#define GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_

#include <cuda_fp16.h>

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/int8.h"

namespace gantry {

// The product of one token and one row from its integer sum, as bitsandbytes rounds it: to half
// after the integers, after the bias and after the outliers, which are summed in the order of their
// columns.
__device__ __forceinline__ float Int8Element(const CudaInt8Weights& w, const CudaInt8Activations& x,
                                             const CudaInt8Options& options, const float* bias,
                                             int token, int row, int sum) {
  constexpr float kScale = 1.0f / (127.0f * 127.0f);
  half value = __float2half_rn((float)sum * (x.absmax[token] * w.scb[row] * kScale));
  if (bias != nullptr) value = __float2half_rn(__half2float(value) + bias[row]);
  if (options.threshold <= 0) return __half2float(value);
  const int outliers = *x.count;
  if (outliers == 0) return __half2float(value);
  float extra = 0;
  for (int i = 0; i < outliers; ++i) {
    const int column = x.columns[i];
    const half a = x.values[(int64_t)token * w.cols + column];
    // Another token's outlier has been multiplied with the integers.
    if (!options.per_batch && fabsf(__half2float(a)) < options.threshold) continue;
    const int64_t at = (int64_t)row * w.cols + column;
    const float weight = w.values != nullptr
                             ? __half2float(w.values[at])
                             : Round<half>((float)w.codes[at] * w.scb[row] * (1.0f / 127.0f));
    extra = fmaf(__half2float(a), weight, extra);
  }
  return Round<half>(__half2float(value) + Round<half>(extra));
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_FINISH_CUH_
