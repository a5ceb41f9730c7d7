#include "kernels/cuda/convert.h"

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 256;

template <typename From, typename To>
__global__ void ConvertKernel(const From* from, int64_t count, To* to) {
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8;
  GridDependencyWait();
  if (first >= count) return;
  from += first;
  to += first;
  if (count - first >= 8 && IsAligned16(from) && IsAligned16(to)) {
    float eight[8];
    LoadEight(from, eight);
    StoreEight(to, eight);
    return;
  }
  for (int i = 0; i < 8 && first + i < count; ++i) {
    to[i] = FromFloat<To>(ToFloat(from[i]));
  }
}

}  // namespace

cudaError_t LaunchConvert(CudaType from_type, const void* from, int64_t count, CudaType to_type,
                          void* to, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  return DispatchType(from_type, [&](auto source) {
    return DispatchType(to_type, [&](auto target) {
      using From = decltype(source);
      using To = decltype(target);
      const int64_t blocks = (count + 8 * kThreads - 1) / (8 * kThreads);
      return LaunchPdl(ConvertKernel<From, To>, static_cast<unsigned>(blocks), kThreads, 0, stream,
                       static_cast<const From*>(from), count, static_cast<To*>(to));
    });
  });
}

}  // namespace gantry
