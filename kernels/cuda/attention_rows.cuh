#ifndef GANTRY_KERNELS_CUDA_ATTENTION_ROWS_CUH_
#define GANTRY_KERNELS_CUDA_ATTENTION_ROWS_CUH_

#include "kernels/cuda/attention.h"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/step.h"

namespace gantry {

// Elements before a row's q, k or v: `head` counts through all three.
__device__ __forceinline__ int64_t QkvAt(const CudaAttention& attention, int row, int head) {
  return (static_cast<int64_t>(row) * (attention.heads + 2 * attention.kv_heads) + head) *
         attention.head_dim;
}

// Where the positions of one sequence lie in keys and in values, for one kv head.
struct KvPlaces {
  const int32_t* table;
  int block_size;
  int block_shift;  // its logarithm, or -1 if it is no power of two
  int kv_heads;
  int kv_head;

  // Vectors of head_dim before that of `position`.
  __device__ __forceinline__ int64_t At(int position) const {
    const int index = block_shift >= 0 ? position >> block_shift : position / block_size;
    const int slot = position - index * block_size;
    return (static_cast<int64_t>(table[index]) * kv_heads + kv_head) * block_size + slot;
  }
};

__device__ __forceinline__ KvPlaces PlacesOf(const DeviceStep& step, const CudaAttention& attention,
                                             int slice, int kv_head) {
  const int size = attention.block_size;
  return {step.block_table + step.slice_first_blocks[slice], size,
          (size & (size - 1)) == 0 ? 31 - __clz(size) : -1, attention.kv_heads, kv_head};
}

// How one row's heads turn.
struct RowRotation {
  const float* cosines;
  const float* sines;
  int half;      // pairs (i, i + half) turn
  bool vectors;  // whether eight consecutive elements have whole vectors for partners
};

// Reads what the step's rotation kernel wrote only when it is used.
__device__ __forceinline__ RowRotation RotationOf(const DeviceStep& step, int row, int slice) {
  const float* cosines = step.rotation + static_cast<int64_t>(row) * 2 * step.half_rotary;
  const int half = step.half_rotary == 0 ? 0 : step.rope_halves[step.slice_ropes[slice]];
  return {cosines, cosines + step.half_rotary, half, half % 8 == 0 && step.half_rotary % 4 == 0};
}

__device__ __forceinline__ float Rotated(float own, float partner, float cosine, float sine) {
  return __fmaf_rn(own, cosine, __fmul_rn(partner, sine));
}

// Element d of a head after rotation.
template <typename T>
__device__ __forceinline__ float RotatedElement(const T* head, const RowRotation& rotation, int d) {
  const int half = rotation.half;
  const float own = ToFloat(head[d]);
  if (d >= 2 * half) return own;
  const int pair = d < half ? d : d - half;
  const float partner = ToFloat(head[d < half ? d + half : pair]);
  const float sine = d < half ? -rotation.sines[pair] : rotation.sines[pair];
  return Rotated(own, partner, rotation.cosines[pair], sine);
}

// Elements [d, d + 8). head_dim and d are multiples of eight.
template <typename T>
__device__ __forceinline__ void RotatedEight(const T* head, const RowRotation& rotation, int d,
                                             float (&out)[8]) {
  const int half = rotation.half;
  if (!rotation.vectors) {
#pragma unroll
    for (int i = 0; i < 8; ++i) out[i] = RotatedElement(head, rotation, d + i);
    return;
  }
  LoadEight(head + d, out);
  if (d >= 2 * half) return;
  const bool low = d < half;
  float partner[8];
  float cosines[8];
  float sines[8];
  LoadEight(head + (low ? d + half : d - half), partner);
  LoadEight(rotation.cosines + (low ? d : d - half), cosines);
  LoadEight(rotation.sines + (low ? d : d - half), sines);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    out[i] = Rotated(out[i], partner[i], cosines[i], low ? -sines[i] : sines[i]);
  }
}

// 2^x as the special function unit has it, within 2 ulp; 0 for -infinity.
__device__ __forceinline__ float Exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
constexpr float kLog2E = 1.4426950408889634f;
constexpr float kMinusInfinity = -__builtin_huge_valf();

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_ATTENTION_ROWS_CUH_
