#ifndef GANTRY_KERNELS_CUDA_NORM_ROW_CUH_
#define GANTRY_KERNELS_CUDA_NORM_ROW_CUH_

#include <cuda_runtime.h>

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {

// RMSNorm by a block of kNormThreads threads. Every kernel that normalises does it with this code,
// so that a row gets the same bits whichever kernel does it.
inline constexpr int kNormThreads = 512;

// 1 / sqrt(mean + eps) of the block's squares from a thread's `sum` of them. `scratch`:
// kNormThreads / 32 floats of shared memory that nobody reads any more; they are in use until the
// next barrier after the call.
__device__ __forceinline__ float NormScale(float sum, int n, float eps, float* scratch) {
  sum = WarpSum(sum);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = sum;
  __syncthreads();
  float total = 0;
#pragma unroll
  for (int i = 0; i < kNormThreads / 32; ++i) total += scratch[i];
  return __frcp_rn(__fsqrt_rn(total / n + eps));
}

// A thread's share of a row: pieces of eight elements, kNormThreads * 8 apart.
template <typename T>
class NormRow {
 public:
  static constexpr int kMostPieces = 2;  // four do not fit the registers of a 4-bit product
  static constexpr int kMostColumns = kMostPieces * kNormThreads * 8;

  // Whether it takes rows of n elements.
  static constexpr bool Supports(int n) { return n % 8 == 0 && n <= kMostColumns; }

  // Asks for the weights, which no kernel writes, before they are needed. Requires 16-bit T.
  __device__ __forceinline__ NormRow(const float* weight, int n) : n_(n), weight_(weight) {
    for (int i = 0; i < kMostPieces && At(i) < n_; ++i) {
      asm volatile("prefetch.global.L2 [%0];" ::"l"(weight + At(i)));
    }
  }

  // to = the normalised row. `scratch` as NormScale's.
  __device__ __forceinline__ void Run(const T* row, float eps, float* scratch, T* to) const {
    uint4 values[kMostPieces];
    float4 weights[kMostPieces][2];
#pragma unroll
    for (int i = 0; i < kMostPieces; ++i) {
      if (At(i) >= n_) break;
      values[i] = *reinterpret_cast<const uint4*>(row + At(i));
      weights[i][0] = __ldg(reinterpret_cast<const float4*>(weight_ + At(i)));
      weights[i][1] = __ldg(reinterpret_cast<const float4*>(weight_ + At(i)) + 1);
    }
    float sum = 0;
#pragma unroll
    for (int i = 0; i < kMostPieces; ++i) {
      if (At(i) >= n_) break;
      const uint32_t words[4] = {values[i].x, values[i].y, values[i].z, values[i].w};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float2 pair = UnpackTwo<T>(words[j]);
        sum = fmaf(pair.x, pair.x, sum);
        sum = fmaf(pair.y, pair.y, sum);
      }
    }
    const float scale = NormScale(sum, n_, eps, scratch);
#pragma unroll
    for (int i = 0; i < kMostPieces; ++i) {
      if (At(i) >= n_) break;
      const uint32_t words[4] = {values[i].x, values[i].y, values[i].z, values[i].w};
      const float factors[8] = {weights[i][0].x, weights[i][0].y, weights[i][0].z, weights[i][0].w,
                                weights[i][1].x, weights[i][1].y, weights[i][1].z, weights[i][1].w};
      uint32_t out[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float2 pair = UnpackTwo<T>(words[j]);
        // Rounded after each factor, as transformers does.
        out[j] = PackTwo<T>(Round<T>(pair.x * scale) * factors[2 * j],
                            Round<T>(pair.y * scale) * factors[2 * j + 1]);
      }
      *reinterpret_cast<uint4*>(to + At(i)) = make_uint4(out[0], out[1], out[2], out[3]);
    }
  }

 private:
  __device__ __forceinline__ static int At(int i) {
    return (i * kNormThreads + (int)threadIdx.x) * 8;
  }
  const int n_;
  const float* const weight_;
};

// to = row / sqrt(mean(row^2) + eps) * weight for rows of any type and length, with the bits of
// NormRow where that takes them. `scratch` as NormScale's.
template <typename T>
__device__ void NormaliseRow(const T* row, const float* weight, float eps, int n, float* scratch,
                             T* to) {
  if constexpr (sizeof(T) == 2) {
    if (NormRow<T>::Supports(n)) {
      NormRow<T>(weight, n).Run(row, eps, scratch, to);
      return;
    }
  }
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += kNormThreads) {
    sum = fmaf(ToFloat(row[i]), ToFloat(row[i]), sum);
  }
  const float scale = NormScale(sum, n, eps, scratch);
  for (int i = threadIdx.x; i < n; i += kNormThreads) {
    to[i] = FromFloat<T>(Round<T>(ToFloat(row[i]) * scale) * weight[i]);
  }
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_NORM_ROW_CUH_
