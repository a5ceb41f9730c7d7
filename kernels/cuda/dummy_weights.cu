#include "kernels/cuda/dummy_weights.h"

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 256;
constexpr float kDeviation = 0.02f;
constexpr float kSumMean = 510.0f;
constexpr float kSumDeviation = 147.8f;
constexpr float kScale = kDeviation / kSumDeviation;

__device__ __forceinline__ uint64_t Mix(uint64_t x) {
  x *= 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// A thread makes one pair.
template <typename T>
__global__ void DummyWeightsKernel(uint64_t stream, float mean, int64_t first, int64_t end,
                                   T* out) {
  const int64_t pair = (first >> 1) + static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  GridDependencyWait();
  if (2 * pair >= end) return;
  const uint64_t word = Mix(stream + static_cast<uint64_t>(pair));
  constexpr uint64_t kEvenBytes = 0x00ff00ff00ff00ff;
  uint64_t sums = (word & kEvenBytes) + ((word >> 8) & kEvenBytes);
  sums += sums >> 16;
#pragma unroll
  for (int lane = 0; lane < 2; ++lane) {
    const int64_t i = 2 * pair + lane;
    const int sum = static_cast<int>((sums >> (32 * lane)) & 0xffff);
    // Each step rounded, as on the host.
    const float deviate = __fmul_rn(__fsub_rn(static_cast<float>(sum), kSumMean), kScale);
    if (i >= first && i < end) out[i - first] = FromFloat<T>(__fadd_rn(mean, deviate));
  }
}

}  // namespace

cudaError_t LaunchDummyWeights(uint64_t stream_of_weights, float mean, int64_t first, int64_t count,
                               CudaType type, void* out, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  return DispatchType(type, [&](auto element) {
    using T = decltype(element);
    const int64_t pairs = (first + count + 1) / 2 - first / 2;
    return LaunchPdl(DummyWeightsKernel<T>,
                     static_cast<unsigned>((pairs + kThreads - 1) / kThreads), kThreads, 0, stream,
                     stream_of_weights, mean, first, first + count, static_cast<T*>(out));
  });
}

}  // namespace gantry
