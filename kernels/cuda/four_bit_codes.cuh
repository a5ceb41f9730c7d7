#ifndef GANTRY_KERNELS_CUDA_FOUR_BIT_CODES_CUH_
#define GANTRY_KERNELS_CUDA_FOUR_BIT_CODES_CUH_

#include <cuda_runtime.h>

#include "base/quantisation_constants.h"

namespace gantry {

__constant__ constexpr FourBitCodeBook kNf4Codes = kNf4CodeBook;
__constant__ constexpr FourBitCodeBook kFp4Codes = kFp4CodeBook;

__device__ __forceinline__ float FourBitCode(bool fp4, int code) {
  return fp4 ? kFp4Codes.values[code] : kNf4Codes.values[code];
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_FOUR_BIT_CODES_CUH_
