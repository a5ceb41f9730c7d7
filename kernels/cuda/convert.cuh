#ifndef GANTRY_KERNELS_CUDA_CONVERT_CUH_
#define GANTRY_KERNELS_CUDA_CONVERT_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace gantry {

// Conversions between float and the activation types, to nearest even.
template <typename T>
__device__ __forceinline__ T FromFloat(float value);
template <>
__device__ __forceinline__ float FromFloat<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ half FromFloat<half>(float value) {
  return __float2half_rn(value);
}
template <>
__device__ __forceinline__ __nv_bfloat16 FromFloat<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}
__device__ __forceinline__ float ToFloat(float value) { return value; }
__device__ __forceinline__ float ToFloat(half value) { return __half2float(value); }
__device__ __forceinline__ float ToFloat(__nv_bfloat16 value) { return __bfloat162float(value); }

template <typename T>
__device__ __forceinline__ float Round(float value) {
  return ToFloat(FromFloat<T>(value));
}

// Two values side by side, the first in the low half. 16-bit types.
template <typename T>
__device__ __forceinline__ uint32_t PackPair(float first, float second) {
  const T pair[2] = {FromFloat<T>(first), FromFloat<T>(second)};
  uint32_t bits;
  memcpy(&bits, pair, sizeof(bits));
  return bits;
}
template <typename T>
__device__ __forceinline__ float2 UnpackPair(uint32_t bits) {
  T pair[2];
  memcpy(pair, &bits, sizeof(bits));
  return make_float2(ToFloat(pair[0]), ToFloat(pair[1]));
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CONVERT_CUH_
