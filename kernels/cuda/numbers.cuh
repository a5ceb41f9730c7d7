#ifndef GANTRY_KERNELS_CUDA_NUMBERS_CUH_
#define GANTRY_KERNELS_CUDA_NUMBERS_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "kernels/cuda/step.h"

namespace gantry {

using Half = __half;
using BFloat16 = __nv_bfloat16;

__device__ __forceinline__ float ToFloat(float x) { return x; }
__device__ __forceinline__ float ToFloat(Half x) { return __half2float(x); }
__device__ __forceinline__ float ToFloat(BFloat16 x) { return __bfloat162float(x); }

// Rounds to nearest even.
template <typename T>
__device__ __forceinline__ T FromFloat(float x);
template <>
__device__ __forceinline__ float FromFloat<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ Half FromFloat<Half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ __forceinline__ BFloat16 FromFloat<BFloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// Two floats rounded to T, the first in the low half.
template <typename T>
__device__ __forceinline__ uint32_t PackTwo(float low, float high);
template <>
__device__ __forceinline__ uint32_t PackTwo<Half>(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, sizeof(word));
  return word;
}
template <>
__device__ __forceinline__ uint32_t PackTwo<BFloat16>(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, sizeof(word));
  return word;
}

// The two elements of a word, the low half first.
template <typename T>
__device__ __forceinline__ float2 UnpackTwo(uint32_t word) {
  T pair[2];
  memcpy(pair, &word, sizeof(word));
  return make_float2(ToFloat(pair[0]), ToFloat(pair[1]));
}

// The nearest value of T.
template <typename T>
__device__ __forceinline__ float Round(float x) {
  return ToFloat(FromFloat<T>(x));
}

// Eight consecutive elements as floats, and back. `p` is aligned to 16 bytes.
__device__ __forceinline__ void LoadEight(const float* p, float (&out)[8]) {
  const float4 a = *reinterpret_cast<const float4*>(p);
  const float4 b = *reinterpret_cast<const float4*>(p + 4);
  out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w;
  out[4] = b.x, out[5] = b.y, out[6] = b.z, out[7] = b.w;
}
template <typename T>
__device__ __forceinline__ void LoadEight(const T* p, float (&out)[8]) {
  const uint4 words = *reinterpret_cast<const uint4*>(p);
  T elements[8];
  memcpy(elements, &words, sizeof(elements));
#pragma unroll
  for (int i = 0; i < 8; ++i) out[i] = ToFloat(elements[i]);
}
__device__ __forceinline__ void StoreEight(float* p, const float (&in)[8]) {
  *reinterpret_cast<float4*>(p) = make_float4(in[0], in[1], in[2], in[3]);
  *reinterpret_cast<float4*>(p + 4) = make_float4(in[4], in[5], in[6], in[7]);
}
template <typename T>
__device__ __forceinline__ void StoreEight(T* p, const float (&in)[8]) {
  *reinterpret_cast<uint4*>(p) = make_uint4(PackTwo<T>(in[0], in[1]), PackTwo<T>(in[2], in[3]),
                                            PackTwo<T>(in[4], in[5]), PackTwo<T>(in[6], in[7]));
}

__device__ __forceinline__ bool IsAligned16(const void* p) {
  return (reinterpret_cast<uintptr_t>(p) & 15) == 0;
}

// Calls body(T{}) with the type that `type` names.
template <typename Body>
cudaError_t DispatchType(CudaType type, Body body) {
  switch (type) {
    case CudaType::kFloat:
      return body(float{});
    case CudaType::kHalf:
      return body(Half{});
    case CudaType::kBFloat16:
      return body(BFloat16{});
  }
  return cudaErrorInvalidValue;
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_NUMBERS_CUH_
