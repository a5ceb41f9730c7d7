#include "kernels/cuda/norm.h"

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {
namespace {

// Vectors of eight that a thread keeps in registers; longer rows are read twice.
constexpr int kKept = 4;
constexpr int kMostThreads = 512;

template <typename T>
__device__ __forceinline__ float Normalised(float x, float scale, float weight) {
  return ToFloat(FromFloat<T>(__fmul_rn(x, scale))) * weight;
}

// One block a row.
template <typename T>
__global__ void RmsNormKernel(const T* x, const float* weight, float eps, int features, T* out) {
  __shared__ float scratch[32];
  GridDependencyLaunch();
  const int vectors = features / 8;
  x += static_cast<int64_t>(blockIdx.x) * features;
  out += static_cast<int64_t>(blockIdx.x) * features;
  GridDependencyWait();

  float kept[kKept][8];
  float sum = 0;
#pragma unroll
  for (int k = 0; k < kKept; ++k) {
    const int v = threadIdx.x + k * blockDim.x;
    if (v >= vectors) break;
    LoadEight(x + 8 * v, kept[k]);
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += kept[k][i] * kept[k][i];
  }
  for (int v = threadIdx.x + kKept * blockDim.x; v < vectors; v += blockDim.x) {
    float values[8];
    LoadEight(x + 8 * v, values);
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += values[i] * values[i];
  }
  sum = BlockSum(sum, scratch);
  const float scale = __frcp_rn(__fsqrt_rn(sum / features + eps));

  const auto finish = [&](int v, const float(&values)[8]) {
    float weights[8];
    LoadEight(weight + 8 * v, weights);
    float results[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) results[i] = Normalised<T>(values[i], scale, weights[i]);
    StoreEight(out + 8 * v, results);
  };
#pragma unroll
  for (int k = 0; k < kKept; ++k) {
    const int v = threadIdx.x + k * blockDim.x;
    if (v >= vectors) break;
    finish(v, kept[k]);
  }
  for (int v = threadIdx.x + kKept * blockDim.x; v < vectors; v += blockDim.x) {
    float values[8];
    LoadEight(x + 8 * v, values);
    finish(v, values);
  }
}

// The same for rows that are not whole vectors.
template <typename T>
__global__ void OddRmsNormKernel(const T* x, const float* weight, float eps, int features, T* out) {
  __shared__ float scratch[32];
  GridDependencyLaunch();
  x += static_cast<int64_t>(blockIdx.x) * features;
  out += static_cast<int64_t>(blockIdx.x) * features;
  GridDependencyWait();
  float sum = 0;
  for (int i = threadIdx.x; i < features; i += blockDim.x) sum += ToFloat(x[i]) * ToFloat(x[i]);
  sum = BlockSum(sum, scratch);
  const float scale = __frcp_rn(__fsqrt_rn(sum / features + eps));
  for (int i = threadIdx.x; i < features; i += blockDim.x) {
    out[i] = FromFloat<T>(Normalised<T>(ToFloat(x[i]), scale, weight[i]));
  }
}

}  // namespace

cudaError_t LaunchRmsNorm(CudaType type, const void* x, const float* weight, float eps, int rows,
                          int features, void* out, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  return DispatchType(type, [&](auto element) {
    using T = decltype(element);
    const int vectors = (features + 7) / 8;
    const int threads = vectors >= kMostThreads ? kMostThreads : (vectors + 31) / 32 * 32;
    return LaunchPdl(features % 8 == 0 ? RmsNormKernel<T> : OddRmsNormKernel<T>, rows, threads, 0,
                     stream, static_cast<const T*>(x), weight, eps, features, static_cast<T*>(out));
  });
}

}  // namespace gantry
