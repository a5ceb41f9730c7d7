#include "kernels/cuda/non_finite.h"

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 256;

template <typename T>
__global__ void NonFiniteKernel(const T* x, int features, int32_t* non_finite) {
  GridDependencyWait();
  x += static_cast<int64_t>(blockIdx.x) * features;
  const bool vectors = features % 8 == 0 && IsAligned16(x);
  bool found = false;
  for (int first = threadIdx.x * 8; first < features; first += 8 * kThreads) {
    if (vectors) {
      float eight[8];
      LoadEight(x + first, eight);
#pragma unroll
      for (int i = 0; i < 8; ++i) found |= !isfinite(eight[i]);
    } else {
      for (int i = first; i < features && i < first + 8; ++i) found |= !isfinite(ToFloat(x[i]));
    }
  }
  if (__syncthreads_or(found) && threadIdx.x == 0) non_finite[blockIdx.x] = 1;
}

}  // namespace

cudaError_t LaunchNoteNonFinite(const DeviceStep& step, CudaType type, const void* x, int features,
                                cudaStream_t stream) {
  if (step.rows == 0) return cudaSuccess;
  return DispatchType(type, [&](auto element) {
    using T = decltype(element);
    return LaunchPdl(NonFiniteKernel<T>, step.rows, kThreads, 0, stream, static_cast<const T*>(x),
                     features, step.non_finite);
  });
}

}  // namespace gantry
