#include "kernels/cuda/attention_store.h"

#include "kernels/cuda/attention_rows.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

constexpr int kThreads = 128;

// One block for a row and kThreads vectors of eight elements, or elements where head_dim is no
// multiple of eight.
template <typename T, typename Kv, bool kVectors>
__global__ void StoreKernel(DeviceStep step, CudaAttention attention) {
  const int row = blockIdx.x;
  const int dim = attention.head_dim;
  const int width = kVectors ? 8 : 1;
  const int at = (blockIdx.y * kThreads + threadIdx.x) * width;  // in k of all heads
  const int slice = step.row_slices[row];
  const int position = step.positions[row];
  GridDependencyWait();
  if (at >= attention.kv_heads * dim) return;
  const int head = at / dim;
  const int d = at - head * dim;
  const T* k = static_cast<const T*>(attention.qkv) + QkvAt(attention, row, attention.heads + head);
  const T* v = k + attention.kv_heads * dim;
  const int64_t to = PlacesOf(step, attention, slice, head).At(position) * dim + d;
  Kv* keys = static_cast<Kv*>(attention.keys) + to;
  Kv* values = static_cast<Kv*>(attention.values) + to;
  const RowRotation rotation = RotationOf(step, row, slice);
  if (kVectors) {
    float eight[8];
    RotatedEight(k, rotation, d, eight);
    StoreEight(keys, eight);
    LoadEight(v + d, eight);
    StoreEight(values, eight);
  } else {
    *keys = FromFloat<Kv>(RotatedElement(k, rotation, d));
    *values = FromFloat<Kv>(ToFloat(v[d]));
  }
}

}  // namespace

cudaError_t LaunchAttentionStore(const DeviceStep& step, const CudaAttention& attention,
                                 cudaStream_t stream) {
  return DispatchType(attention.type, [&](auto element) {
    return DispatchType(attention.kv_type, [&](auto kv) {
      using T = decltype(element);
      using Kv = decltype(kv);
      const bool vectors = attention.head_dim % 8 == 0;
      const int items = attention.kv_heads * attention.head_dim / (vectors ? 8 : 1);
      return LaunchPdl(vectors ? StoreKernel<T, Kv, true> : StoreKernel<T, Kv, false>,
                       dim3(step.rows, (items + kThreads - 1) / kThreads), kThreads, 0, stream,
                       step, attention);
    });
  });
}

}  // namespace gantry
