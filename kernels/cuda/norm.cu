#include "kernels/cuda/norm.h"

#include "kernels/cuda/norm_row.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

// One block a row.
template <typename T>
__global__ void __launch_bounds__(kNormThreads)
    RmsNormKernel(const T* x, const float* weight, float eps, int features, T* out) {
  __shared__ float scratch[kNormThreads / 32];
  const int64_t at = static_cast<int64_t>(blockIdx.x) * features;
  GridDependencyWait();
  NormaliseRow(x + at, weight, eps, features, scratch, out + at);
}

}  // namespace

cudaError_t LaunchRmsNorm(CudaType type, const void* x, const float* weight, float eps, int rows,
                          int features, void* out, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  return DispatchType(type, [&](auto element) {
    using T = decltype(element);
    return LaunchPdl(RmsNormKernel<T>, rows, kNormThreads, 0, stream, static_cast<const T*>(x),
                     weight, eps, features, static_cast<T*>(out));
  });
}

}  // namespace gantry
