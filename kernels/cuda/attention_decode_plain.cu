#include "kernels/cuda/attention_decode.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {
namespace {

constexpr int kTokens = 4;  // that a warp takes at a time
constexpr int kStep = kDecodeWarps * kTokens;

// T is chosen at run time: only q, new k and v, and the result are of it.
__device__ __forceinline__ float LoadAs(CudaType type, const void* from, int64_t at) {
  if (type == CudaType::kFloat) return static_cast<const float*>(from)[at];
  if (type == CudaType::kHalf) return ToFloat(static_cast<const Half*>(from)[at]);
  return ToFloat(static_cast<const BFloat16*>(from)[at]);
}
__device__ __forceinline__ float RotatedAs(CudaType type, const void* from, int64_t at,
                                           const RowRotation& rotation, int d) {
  if (type == CudaType::kFloat) {
    return RotatedElement(static_cast<const float*>(from) + at, rotation, d);
  }
  if (type == CudaType::kHalf) {
    return RotatedElement(static_cast<const Half*>(from) + at, rotation, d);
  }
  return RotatedElement(static_cast<const BFloat16*>(from) + at, rotation, d);
}
__device__ __forceinline__ float RoundTo(CudaType type, float x) {
  if (type == CudaType::kFloat) return x;
  return type == CudaType::kHalf ? ToFloat(FromFloat<Half>(x)) : ToFloat(FromFloat<BFloat16>(x));
}
__device__ __forceinline__ void StoreAs(CudaType type, void* to, int64_t at, float x) {
  if (type == CudaType::kFloat) {
    static_cast<float*>(to)[at] = x;
  } else if (type == CudaType::kHalf) {
    static_cast<Half*>(to)[at] = FromFloat<Half>(x);
  } else {
    static_cast<BFloat16*>(to)[at] = FromFloat<BFloat16>(x);
  }
}

// A lane has elements lane + 32i, i < kElements, of every head.
template <typename Kv, int kElements, int kHeads, DecodeRows kRows>
__global__ void __launch_bounds__(kDecodeThreads)
    PlainDecodeKernel(DeviceStep step, CudaAttention attention, DecodeGrid grid,
                      DecodePiece piece) {
  constexpr int kDim = 32 * kElements;
  __shared__ float queries[kHeads * kDim];
  __shared__ float sums[kDecodeWarps * kGroupHeads * kDim];
  __shared__ float2 states[kDecodeWarps * kGroupHeads];

  const DecodeWork work = WorkOf<kRows>(step, attention, grid, piece);
  GridDependencyWait();
  if (work.nothing) return;
  const int dim = attention.head_dim;
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const KvPlaces places = PlacesOf(step, attention, work.slice, work.kv_head);
  Kv* keys = static_cast<Kv*>(attention.keys);
  Kv* values = static_cast<Kv*>(attention.values);

  const RowRotation rotation = RotationOf(step, work.row, work.slice);
  for (int item = threadIdx.x; item < work.heads * dim; item += kDecodeThreads) {
    const int head = item / dim;
    const int d = item - head * dim;
    const float q = RotatedAs(attention.type, attention.qkv,
                              QkvAt(attention, work.row, work.first_head + head), rotation, d);
    queries[head * kDim + d] = RoundTo(attention.type, q);
  }
  if (kRows == DecodeRows::kNew && work.high == work.splits.end) {
    // Blocks that share the kv head write the same bits; each reads its own.
    const int from = attention.heads + work.kv_head;
    const int64_t key = QkvAt(attention, work.row, from);
    const int64_t value = QkvAt(attention, work.row, from + attention.kv_heads);
    const int64_t to = places.At(work.position) * dim;
    for (int d = threadIdx.x; d < dim; d += kDecodeThreads) {
      keys[to + d] = FromFloat<Kv>(RotatedAs(attention.type, attention.qkv, key, rotation, d));
      values[to + d] = FromFloat<Kv>(LoadAs(attention.type, attention.qkv, value + d));
    }
  }
  __syncthreads();

  float sum[kHeads][kElements] = {};
  float max[kHeads];
  float total[kHeads];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) max[h] = kMinusInfinity, total[h] = 0;
  const float scale = __fmul_rn(attention.scale, kLog2E);
  const int base = work.low / kTokens * kTokens;
  for (int first = base + warp * kTokens; first < work.high; first += kStep) {
    float key[kTokens][kElements];
    float value[kTokens][kElements];
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const bool seen = first + t >= work.low && first + t < work.high;
      const int64_t at = seen ? places.At(first + t) * dim : 0;
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        const int d = lane + 32 * i;
        const bool valid = seen && d < dim;
        key[t][i] = valid ? ToFloat(keys[at + d]) : 0;
        value[t][i] = valid ? ToFloat(values[at + d]) : 0;
      }
    }
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
      if (h >= work.heads) break;
      float x[kTokens] = {};
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        const int d = lane + 32 * i;
        const float q = d < dim ? queries[h * kDim + d] : 0;
#pragma unroll
        for (int t = 0; t < kTokens; ++t) x[t] = __fmaf_rn(q, key[t][i], x[t]);
      }
      float most = max[h];
#pragma unroll
      for (int t = 0; t < kTokens; ++t) {
        const bool seen = first + t >= work.low && first + t < work.high;
        x[t] = seen ? __fmul_rn(WarpSum(x[t]), scale) : kMinusInfinity;
        most = fmaxf(most, x[t]);
      }
      const float factor = Exp2(__fsub_rn(max[h], most));
      max[h] = most;
      total[h] = __fmul_rn(total[h], factor);
#pragma unroll
      for (int i = 0; i < kElements; ++i) sum[h][i] = __fmul_rn(sum[h][i], factor);
#pragma unroll
      for (int t = 0; t < kTokens; ++t) {
        const float weight = Exp2(__fsub_rn(x[t], most));
        total[h] = __fadd_rn(total[h], weight);
#pragma unroll
        for (int i = 0; i < kElements; ++i) {
          sum[h][i] = __fmaf_rn(weight, value[t][i], sum[h][i]);
        }
      }
    }
  }

#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    if (h >= work.heads) break;
    if (lane == 0) states[warp * kGroupHeads + h] = make_float2(max[h], total[h]);
#pragma unroll
    for (int i = 0; i < kElements; ++i) {
      sums[(warp * kGroupHeads + h) * kDim + lane + 32 * i] = sum[h][i];
    }
  }
  const int warps = min(kDecodeWarps, (work.high - base + kTokens - 1) / kTokens);
  FinishSplit<1>(work, grid, attention, sums, kDim, states, warps,
                 [&](int head, int d, const Floats<1>& one) {
                   const int64_t row = work.row;
                   StoreAs(attention.type, attention.out,
                           (row * attention.heads + work.first_head + head) * dim + d, one.x[0]);
                 });
}

template <typename Kv, int kElements, int kHeads>
cudaError_t Launch(const DeviceStep& step, const CudaAttention& attention, DecodeRows rows,
                   cudaStream_t stream) {
  return ForPieces(step, attention, rows, [&](dim3 blocks, DecodeGrid grid, DecodePiece piece) {
    auto* kernel = PlainDecodeKernel<Kv, kElements, kHeads, DecodeRows::kAll>;
    if (rows == DecodeRows::kNew) {
      kernel = PlainDecodeKernel<Kv, kElements, kHeads, DecodeRows::kNew>;
    } else if (rows == DecodeRows::kSingle) {
      kernel = PlainDecodeKernel<Kv, kElements, kHeads, DecodeRows::kSingle>;
    }
    return LaunchPdl(kernel, blocks, kDecodeThreads, 0, stream, step, attention, grid, piece);
  });
}

}  // namespace

cudaError_t LaunchPlainDecode(const DeviceStep& step, const CudaAttention& attention,
                              DecodeRows rows, cudaStream_t stream) {
  return DispatchType(attention.kv_type, [&](auto element) {
    using Kv = decltype(element);
    const bool one = attention.heads == attention.kv_heads;
    if (attention.head_dim <= 64) {
      return one ? Launch<Kv, 2, 1>(step, attention, rows, stream)
                 : Launch<Kv, 2, kGroupHeads>(step, attention, rows, stream);
    }
    if (attention.head_dim <= 128) {
      return one ? Launch<Kv, 4, 1>(step, attention, rows, stream)
                 : Launch<Kv, 4, kGroupHeads>(step, attention, rows, stream);
    }
    return one ? Launch<Kv, 8, 1>(step, attention, rows, stream)
               : Launch<Kv, 8, kGroupHeads>(step, attention, rows, stream);
  });
}

size_t DecodeWorkspaceBytes(const CudaAttention& attention, int context_bound) {
  const DecodeGrid grid = DecodeGridOf(attention, context_bound);
  // Shorter contexts launch more rows at a time, but not more blocks than are wanted.
  const size_t one_row = static_cast<size_t>(grid.groups) * grid.most_splits;
  const size_t blocks = one_row > kBlocksWanted ? one_row : kBlocksWanted;
  const size_t floats = blocks * grid.group_heads * (attention.head_dim + 2) + 4;
  return (kDecodeCounters + floats) * sizeof(float);
}

}  // namespace gantry
