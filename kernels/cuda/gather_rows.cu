#include "kernels/cuda/gather_rows.h"

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 128;

template <typename From, typename To>
__global__ void GatherRowsKernel(const From* from, const int32_t* rows, int features, To* to) {
  const int first = (blockIdx.y * kThreads + threadIdx.x) * 8;
  GridDependencyWait();
  if (first >= features) return;
  from += static_cast<int64_t>(rows[blockIdx.x]) * features + first;
  to += static_cast<int64_t>(blockIdx.x) * features + first;
  if (features - first >= 8 && IsAligned16(from) && IsAligned16(to)) {
    float eight[8];
    LoadEight(from, eight);
    StoreEight(to, eight);
    return;
  }
  for (int i = 0; i < 8 && first + i < features; ++i) to[i] = FromFloat<To>(ToFloat(from[i]));
}

}  // namespace

cudaError_t LaunchGatherRows(CudaType from_type, const void* from, const int32_t* rows, int count,
                             int features, CudaType to_type, void* to, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  return DispatchType(from_type, [&](auto source) {
    return DispatchType(to_type, [&](auto target) {
      using From = decltype(source);
      using To = decltype(target);
      const dim3 blocks(count, (features + 8 * kThreads - 1) / (8 * kThreads));
      return LaunchPdl(GatherRowsKernel<From, To>, blocks, kThreads, 0, stream,
                       static_cast<const From*>(from), rows, features, static_cast<To*>(to));
    });
  });
}

}  // namespace gantry
