#include "kernels/cuda/finish.h"

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 256;

// One element of the output a thread.
template <typename T, typename S>
__global__ void Finish(const CudaProduct p, const S* sums, int first_row, int row_count,
                       bool interleaved) {
  GridDependencyWait();
  const bool gate = IsGate(p.epilogue);
  const int width = gate ? row_count / 2 : row_count;
  const int i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= width) return;
  const int64_t token = blockIdx.y;
  const S* const from = sums + token * row_count;
  if (!gate) {
    const int row = first_row + i;
    const float bias = p.bias != nullptr ? p.bias[row] : 0.0f;
    StoreElement<T>(p, token * p.rows + row, ToFloat(from[i]) + bias);
    return;
  }
  const int at = interleaved ? i / 8 * 16 + i % 8 : i;
  const int row = (interleaved ? first_row / 2 : first_row) + i;
  const int half_rows = p.rows / 2;
  float value = ToFloat(from[at]);
  float up = ToFloat(from[at + (interleaved ? 8 : width)]);
  if (p.bias != nullptr) {
    value += p.bias[row];
    up += p.bias[half_rows + row];
  }
  static_cast<T*>(p.out)[token * half_rows + row] = GateElement<T>(p.epilogue, value, up);
}

template <typename T>
cudaError_t Launch(const CudaProduct& p, CudaType sums_type, const void* sums, int first_row,
                   int row_count, bool interleaved, cudaStream_t stream) {
  const int width = IsGate(p.epilogue) ? row_count / 2 : row_count;
  const dim3 grid((width + kThreads - 1) / kThreads, p.tokens);
  return DispatchType(sums_type, [&](auto sum) {
    using S = decltype(sum);
    return LaunchPdl(Finish<T, S>, grid, dim3(kThreads), 0, stream, p, static_cast<const S*>(sums),
                     first_row, row_count, interleaved);
  });
}

}  // namespace

cudaError_t FinishProduct(const CudaProduct& product, CudaType sums_type, const void* sums,
                          int first_row, int row_count, bool interleaved, cudaStream_t stream) {
  return DispatchType(product.type, [&](auto element) {
    return Launch<decltype(element)>(product, sums_type, sums, first_row, row_count, interleaved,
                                     stream);
  });
}

}  // namespace gantry
