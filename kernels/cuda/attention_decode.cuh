#ifndef GANTRY_KERNELS_CUDA_ATTENTION_DECODE_CUH_
#define GANTRY_KERNELS_CUDA_ATTENTION_DECODE_CUH_

#include "kernels/cuda/attention_decode.h"
#include "kernels/cuda/attention_rows.cuh"
#include "kernels/cuda/attention_splits.h"
#include "kernels/cuda/pdl.cuh"

namespace gantry {

// The frame of both decode kernels. A block is four warps: split blockIdx.x of what a row sees, of
// the heads of group blockIdx.y, of row blockIdx.z. Its warps each leave a maximum, a sum and a
// weighted sum of values for every head; FinishSplit adds those of the block, and the last block of
// a (row, group) adds the splits, both in a fixed order.

constexpr int kDecodeWarps = 4;
constexpr int kDecodeThreads = 32 * kDecodeWarps;
constexpr int kGroupHeads = 8;  // most query heads of one kv head that a block takes

// How one launch is cut; the same numbers on host and device.
struct DecodeGrid {
  int groups = 0;  // of query heads: kv_heads * groups_per_kv_head
  int groups_per_kv_head = 0;
  int group_heads = 0;  // heads of a group, the last of a kv head may have fewer
  int most_splits = 0;
  int most_rows = 0;  // rows, or slices, of one launch

  // The workspace after its counters: floats [most_rows, groups, most_splits, group_heads, 2] of
  // maxima and sums, padded to 16 bytes, then [..., head_dim] of values.
  __host__ __device__ size_t parts() const {
    return static_cast<size_t>(most_rows) * groups * most_splits * group_heads;
  }
};

// Workspace of every shape begins with this many counters, so that shapes can share one.
constexpr int kDecodeCounters = 16384;
// Blocks of a launch, about: enough to fill any GPU several times.
constexpr int kBlocksWanted = 8192;

inline DecodeGrid DecodeGridOf(const CudaAttention& attention, int context_bound) {
  DecodeGrid grid;
  const int group = attention.heads / attention.kv_heads;
  grid.groups_per_kv_head = (group + kGroupHeads - 1) / kGroupHeads;
  grid.group_heads = (group + grid.groups_per_kv_head - 1) / grid.groups_per_kv_head;
  grid.groups = attention.kv_heads * grid.groups_per_kv_head;
  grid.most_splits = MostSplits(context_bound, attention.sliding_window);
  grid.most_rows = kBlocksWanted / (grid.groups * grid.most_splits);
  if (grid.most_rows < 1) grid.most_rows = 1;
  if (grid.most_rows > kDecodeCounters / grid.groups) {
    grid.most_rows = kDecodeCounters / grid.groups;
  }
  return grid;
}

// Rows of one launch.
struct DecodePiece {
  int first;  // row, or slice with kSingle
  int count;
};

// What a block is to do.
struct DecodeWork {
  int row;
  int slice;
  int position;
  AttentionSplits splits;
  int low;  // positions of this split that are seen: [low, high)
  int high;
  int kv_head;
  int first_head;  // of the query heads, `heads` of them
  int heads;
  int unit;      // of the workspace
  bool nothing;  // to do
};

template <DecodeRows kRows>
__device__ __forceinline__ DecodeWork WorkOf(const DeviceStep& step, const CudaAttention& attention,
                                             const DecodeGrid& grid, DecodePiece piece) {
  DecodeWork work;
  const int at = piece.first + blockIdx.z;
  work.nothing = false;
  if (kRows == DecodeRows::kSingle) {
    work.slice = at;
    work.row = step.slice_first_rows[at];
    work.nothing = step.slice_rows[at] != 1;
  } else {
    work.row = at;
    work.slice = step.row_slices[at];
  }
  work.position = step.positions[work.row];
  work.splits = SplitsOf(work.position, attention.sliding_window);
  const int split = blockIdx.x;
  work.nothing |= split >= work.splits.count;
  const int from = (work.splits.first + split) * work.splits.length;
  work.low = max(from, work.splits.begin);
  work.high = min(from + work.splits.length, work.splits.end);
  const int group = attention.heads / attention.kv_heads;
  work.kv_head = blockIdx.y / grid.groups_per_kv_head;
  const int first = (blockIdx.y - work.kv_head * grid.groups_per_kv_head) * grid.group_heads;
  work.first_head = work.kv_head * group + first;
  work.heads = min(grid.group_heads, group - first);
  work.unit = blockIdx.z * grid.groups + blockIdx.y;
  return work;
}

// kWidth floats.
template <int kWidth>
struct alignas(4 * kWidth) Floats {
  float x[kWidth];
};

template <int kWidth>
__device__ __forceinline__ Floats<kWidth> LoadPart(const float* from) {
  Floats<kWidth> values;
  if constexpr (kWidth == 4) {
    const float4 four = __ldcg(reinterpret_cast<const float4*>(from));
    values.x[0] = four.x, values.x[1] = four.y, values.x[2] = four.z, values.x[3] = four.w;
  } else {
    static_assert(kWidth == 1, "vectors of one or four");
    values.x[0] = __ldcg(from);
  }
  return values;
}

// Adds up the splits of a row and group in their order.
//  states: [splits, group_heads, 2]; sums: [splits, group_heads, dim].
template <int kWidth, typename Store>
__device__ __forceinline__ void CombineSplits(const DecodeWork& work, const DecodeGrid& grid,
                                              int dim, const float* states, const float* sums,
                                              Store store) {
  constexpr int kAtOnce = 8;  // loads on their way
  __shared__ float2 all[(kMostSplits + 1) * kGroupHeads];
  const int splits = work.splits.count;
  for (int i = threadIdx.x; i < splits * grid.group_heads; i += kDecodeThreads) {
    all[i] = __ldcg(reinterpret_cast<const float2*>(states) + i);
  }
  __syncthreads();
  const int vectors = dim / kWidth;
  for (int item = threadIdx.x; item < work.heads * vectors; item += kDecodeThreads) {
    const int head = item / vectors;
    const int d = (item - head * vectors) * kWidth;
    float max = kMinusInfinity;
    for (int s = 0; s < splits; ++s) max = fmaxf(max, all[s * grid.group_heads + head].x);
    Floats<kWidth> sum{};
    float total = 0;
    for (int first = 0; first < splits; first += kAtOnce) {
      Floats<kWidth> parts[kAtOnce];
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        if (first + i >= splits) continue;
        const size_t at = static_cast<size_t>(first + i) * grid.group_heads + head;
        parts[i] = LoadPart<kWidth>(sums + at * dim + d);
      }
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        if (first + i >= splits) continue;
        const float2 state = all[(first + i) * grid.group_heads + head];
        const float factor = Exp2(state.x - max);
        total = __fmaf_rn(factor, state.y, total);
#pragma unroll
        for (int j = 0; j < kWidth; ++j) sum.x[j] = __fmaf_rn(factor, parts[i].x[j], sum.x[j]);
      }
    }
#pragma unroll
    for (int j = 0; j < kWidth; ++j) sum.x[j] = __fdiv_rn(sum.x[j], total);
    store(head, d, sum);
  }
}

// Adds up the block's warps and, if it is the last of its row and group, the splits.
//  sums: shared, [warps, kGroupHeads, stride] weighted values; states: shared, [warps, kGroupHeads]
//  maxima (in units of log 2) and sums of weights; `warps` of them have seen something.
//  store(head, d, Floats<kWidth>): writes to out.
// head_dim is a multiple of kWidth. Warps have written `sums` and `states`; not yet synchronised.
template <int kWidth, typename Store>
__device__ __forceinline__ void FinishSplit(const DecodeWork& work, const DecodeGrid& grid,
                                            const CudaAttention& attention, float* sums, int stride,
                                            float2* states, int warps, Store store) {
  const int dim = attention.head_dim;
  const int vectors = dim / kWidth;
  const int items = work.heads * vectors;
  const bool alone = work.splits.count == 1;
  int* counters = static_cast<int*>(attention.workspace);
  float* all_states = reinterpret_cast<float*>(counters + kDecodeCounters);
  float* all_sums = all_states + (grid.parts() + 1) / 2 * 4;
  const size_t unit_at = static_cast<size_t>(work.unit) * grid.most_splits;
  __syncthreads();
  for (int item = threadIdx.x; item < items; item += kDecodeThreads) {
    const int head = item / vectors;
    const int d = (item - head * vectors) * kWidth;
    float max = states[head].x;
    for (int w = 1; w < warps; ++w) max = fmaxf(max, states[w * kGroupHeads + head].x);
    Floats<kWidth> sum{};
    float total = 0;
    for (int w = 0; w < warps; ++w) {
      const float2 state = states[w * kGroupHeads + head];
      const float factor = Exp2(state.x - max);
      total = __fmaf_rn(factor, state.y, total);
      const auto part =
          *reinterpret_cast<const Floats<kWidth>*>(sums + (w * kGroupHeads + head) * stride + d);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sum.x[i] = __fmaf_rn(factor, part.x[i], sum.x[i]);
    }
    if (alone) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sum.x[i] = __fdiv_rn(sum.x[i], total);
      store(head, d, sum);
    } else {
      const size_t at = (unit_at + blockIdx.x) * grid.group_heads + head;
      *reinterpret_cast<Floats<kWidth>*>(all_sums + at * dim + d) = sum;
      if (d == 0) *reinterpret_cast<float2*>(all_states + 2 * at) = make_float2(max, total);
    }
  }
  if (alone) return;

  __shared__ bool is_last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    const int before = atomicAdd(counters + work.unit, 1);
    is_last = before == work.splits.count - 1;
    if (is_last) counters[work.unit] = 0;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  CombineSplits<kWidth>(work, grid, dim, all_states + 2 * unit_at * grid.group_heads,
                        all_sums + unit_at * grid.group_heads * dim, store);
}

// Calls launch(grid dimensions, grid, piece) for pieces of the rows that fit the workspace.
template <typename Launch>
cudaError_t ForPieces(const DeviceStep& step, const CudaAttention& attention, DecodeRows rows,
                      Launch launch) {
  const DecodeGrid grid = DecodeGridOf(attention, step.context_bound);
  const int total = rows == DecodeRows::kSingle ? step.slices : step.rows;
  for (int first = 0; first < total; first += grid.most_rows) {
    const int count = total - first < grid.most_rows ? total - first : grid.most_rows;
    const cudaError_t error =
        launch(dim3(grid.most_splits, grid.groups, count), grid, DecodePiece{first, count});
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_ATTENTION_DECODE_CUH_
