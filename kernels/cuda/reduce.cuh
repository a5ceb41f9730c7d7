#ifndef GANTRY_KERNELS_CUDA_REDUCE_CUH_
#define GANTRY_KERNELS_CUDA_REDUCE_CUH_

#include <cuda_runtime.h>

namespace gantry {

// Sums and maxima in an order that the number of threads alone determines. All lanes get the
// result.
template <typename T>
__device__ __forceinline__ T WarpSum(T x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    x += __shfl_xor_sync(0xffffffffu, x, distance);
  }
  return x;
}
template <typename T>
__device__ __forceinline__ T WarpMax(T x) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, x, distance);
    x = other > x ? other : x;
  }
  return x;
}

// Over a block of up to 1024 threads, whole warps. `scratch` is shared memory for 32 elements; the
// threads may use it again after their next __syncthreads.
template <typename T>
__device__ __forceinline__ T BlockSum(T x, T* scratch) {
  x = WarpSum(x);
  const int warps = blockDim.x / 32;
  if (warps == 1) return x;
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  T sum = 0;
  for (int i = 0; i < warps; ++i) sum += scratch[i];
  return sum;
}
template <typename T>
__device__ __forceinline__ T BlockMax(T x, T* scratch) {
  x = WarpMax(x);
  const int warps = blockDim.x / 32;
  if (warps == 1) return x;
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  T max = scratch[0];
  for (int i = 1; i < warps; ++i) max = scratch[i] > max ? scratch[i] : max;
  return max;
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_REDUCE_CUH_
