#include "kernels/cuda/attention_prefill.h"

#include <type_traits>

#include "kernels/cuda/attention_rows.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

// After Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning"
// (2023). A block takes some query rows of one kv head and walks over what the last of them sees,
// kTokens positions at a time. Query rows are the slice's tokens, each with all heads that share
// the kv head: packed row m is head m % group of token m / group. A warp has sixteen.
template <int kTheDim>
struct Shape {
  static constexpr int kDim = kTheDim;  // head_dim, padded with zeros
  static constexpr int kWarps = 4;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRows = 16 * kWarps;
  // On a multiprocessor of sm_90, by shared memory and registers. Blocks of eight warps would read
  // keys half as often, but two of them do not fit.
  static constexpr int kBlocks = kDim > 128 ? 1 : 3;
  static constexpr int kTokens = kDim > 128 ? 32 : 64;
  static constexpr int kPitch = kDim + 8;  // an odd number of 16 bytes: no bank conflicts
  static constexpr int kTile = kTokens * kPitch;
  // Queries stay in registers, if those suffice, and then share memory with the second stage.
  static constexpr bool kQueriesInRegisters = kDim <= 128;
  // Elements of shared memory: two stages of keys and values, and queries.
  static constexpr int kQueries = kQueriesInRegisters ? 2 * kTile : 4 * kTile;
  static constexpr int kElements = 4 * kTile + (kQueriesInRegisters ? 0 : kRows * kPitch);
  static_assert(!kQueriesInRegisters || kRows * kPitch <= 2 * kTile, "queries fit a stage");
};

// Of a block's query rows.
struct PrefillWork {
  int slice = -1;  // none: the block has nothing to do
  int tile = 0;    // of the slice's packed rows
};

// Finds the block's tile among those of all slices, a slice's last first: it takes longest.
__device__ __forceinline__ PrefillWork FindWork(const DeviceStep& step, int group, int tile_rows) {
  const int lane = threadIdx.x % 32;
  int before = 0;
  for (int first = 0; first < step.slices; first += 32) {
    const int slice = first + lane;
    const int rows = slice < step.slices ? step.slice_rows[slice] : 0;
    const int tiles = rows > 1 ? (rows * group + tile_rows - 1) / tile_rows : 0;
    int end = tiles;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      const int other = __shfl_up_sync(0xffffffffu, end, distance);
      if (lane >= distance) end += other;
    }
    end += before;
    const unsigned behind = __ballot_sync(0xffffffffu, static_cast<int>(blockIdx.x) < end);
    if (behind != 0) {
      const int owner = __ffs(behind) - 1;
      PrefillWork work;
      work.slice = first + owner;
      work.tile = __shfl_sync(0xffffffffu, end, owner) - 1 - static_cast<int>(blockIdx.x);
      return work;
    }
    before = __shfl_sync(0xffffffffu, end, 31);
  }
  return {};
}

// Copies keys and values of positions [first, first + kTokens) to a stage, zeros from `end` on.
template <typename T, typename S>
__device__ __forceinline__ void LoadStage(const CudaAttention& attention, const KvPlaces& places,
                                          int first, int end, T* keys, T* values) {
  constexpr int kVectors = S::kDim / 8;
  const int dim = attention.head_dim;
#pragma unroll
  for (int item = threadIdx.x; item < S::kTokens * kVectors; item += S::kThreads) {
    const int token = item / kVectors;
    const int d = item % kVectors * 8;
    const bool valid = first + token < end && d < dim;
    const int64_t at = valid ? places.At(first + token) * dim + d : 0;
    CopyAsync16(keys + token * S::kPitch + d, static_cast<const T*>(attention.keys) + at, valid);
    CopyAsync16(values + token * S::kPitch + d, static_cast<const T*>(attention.values) + at,
                valid);
  }
}

// A lane's two query rows: rows r and r + 8 of the warp's, with r = lane / 4.
template <typename S>
struct Running {
  int position[2];
  int window;
  float max[2] = {kMinusInfinity, kMinusInfinity};  // in units of log 2
  float total[2] = {0, 0};                          // of the lane's own columns
  float sums[S::kDim / 8][4] = {};                  // the layout of C in kernels/cuda/mma.cuh

  // Whether one of the rows may not see all of the tile that begins at `first`.
  __device__ __forceinline__ bool Masked(int first) const {
    return first + S::kTokens - 1 > position[0] || (window > 0 && first <= position[1] - window);
  }
  __device__ __forceinline__ bool Sees(int row, int key_position) const {
    return key_position <= position[row] && (window <= 0 || key_position > position[row] - window);
  }
};

// Adds the tile of keys and values that begins at position `first`. load_query(k, q): the left
// factor's sixteen elements of a head from 16k on.
template <typename T, typename S, typename LoadQuery>
__device__ __forceinline__ void AddTile(const T* keys, const T* values, float scale, int first,
                                        LoadQuery load_query, Running<S>& running) {
  constexpr int kSteps = S::kDim / 16;      // of sixteen elements of a head
  constexpr int kColumns = S::kTokens / 8;  // of eight scores
  const int lane = threadIdx.x % 32;
  const int c = lane % 4;
  // Where a lane's row of the four matrices lies that LoadMatrices takes.
  const int key_at = (lane / 16 * 8 + lane % 8) * S::kPitch + lane / 8 % 2 * 8;
  const int value_at = lane % 16 * S::kPitch + lane / 16 * 8;

  float scores[kColumns][4] = {};
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
    uint32_t q[4];
    load_query(k, q);
#pragma unroll
    for (int n = 0; n < kColumns / 2; ++n) {
      uint32_t b[4];
      LoadMatrices(keys + key_at + 16 * n * S::kPitch + 16 * k, b);
      Mma16x8x16<T>(scores[2 * n], q[0], q[1], q[2], q[3], b[0], b[1]);
      Mma16x8x16<T>(scores[2 * n + 1], q[0], q[1], q[2], q[3], b[2], b[3]);
    }
  }
  if (running.Masked(first)) {
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (!running.Sees(i / 2, first + 8 * n + 2 * c + (i & 1))) scores[n][i] = kMinusInfinity;
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float most = kMinusInfinity;
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
      most = fmaxf(most, fmaxf(scores[n][2 * i], scores[n][2 * i + 1]));
    }
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
    most = fmaxf(running.max[i], __fmul_rn(most, scale));
    // A row may not see any of the tile, nor of those before.
    const float subtract = most == kMinusInfinity ? 0 : most;
    const float factor = Exp2(__fsub_rn(running.max[i], subtract));
    running.max[i] = most;
    float sum = 0;
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
#pragma unroll
      for (int j = 2 * i; j < 2 * i + 2; ++j) {
        scores[n][j] = Exp2(__fmaf_rn(scores[n][j], scale, -subtract));
        sum = __fadd_rn(sum, scores[n][j]);
      }
    }
    running.total[i] = __fmaf_rn(running.total[i], factor, sum);
#pragma unroll
    for (int n = 0; n < 2 * kSteps; ++n) {
      running.sums[n][2 * i] = __fmul_rn(running.sums[n][2 * i], factor);
      running.sums[n][2 * i + 1] = __fmul_rn(running.sums[n][2 * i + 1], factor);
    }
  }
  // The scores' layout is that of the left factor of the second product.
#pragma unroll
  for (int k = 0; k < kColumns / 2; ++k) {
    const float(&low)[4] = scores[2 * k];
    const float(&high)[4] = scores[2 * k + 1];
    const uint32_t p0 = PackTwo<T>(low[0], low[1]);
    const uint32_t p1 = PackTwo<T>(low[2], low[3]);
    const uint32_t p2 = PackTwo<T>(high[0], high[1]);
    const uint32_t p3 = PackTwo<T>(high[2], high[3]);
#pragma unroll
    for (int n = 0; n < kSteps; ++n) {
      uint32_t b[4];
      LoadMatricesTransposed(values + value_at + 16 * k * S::kPitch + 16 * n, b);
      Mma16x8x16<T>(running.sums[2 * n], p0, p1, p2, p3, b[0], b[1]);
      Mma16x8x16<T>(running.sums[2 * n + 1], p0, p1, p2, p3, b[2], b[3]);
    }
  }
}

template <typename T, typename S>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    PrefillKernel(DeviceStep step, CudaAttention attention) {
  extern __shared__ uint4 shared[];
  T* stages = reinterpret_cast<T*>(shared);  // keys, values, keys, values
  T* staged_queries = stages + S::kQueries;

  const int group = attention.heads / attention.kv_heads;
  const int dim = attention.head_dim;
  const int kv_head = blockIdx.y;
  const PrefillWork work = FindWork(step, group, S::kRows);
  GridDependencyWait();
  if (work.slice < 0) return;
  const int first_row = step.slice_first_rows[work.slice];
  const int packed_rows = step.slice_rows[work.slice] * group;
  const int start = step.positions[first_row];
  const int tile_begin = work.tile * S::kRows;
  const int tile_end = min(tile_begin + S::kRows, packed_rows);
  // Positions that some row of the tile sees: [begin, end).
  const int window = attention.sliding_window;
  const int first_position = start + tile_begin / group;
  const int end = start + (tile_end - 1) / group + 1;
  const int begin = window > 0 ? max(0, first_position - window + 1) : 0;
  const KvPlaces places = PlacesOf(step, attention, work.slice, kv_head);

  int first = begin / S::kTokens * S::kTokens;
  LoadStage<T, S>(attention, places, first, end, stages, stages + S::kTile);
  CommitAsync();

  const T* qkv = static_cast<const T*>(attention.qkv);
  constexpr int kVectors = S::kDim / 8;
  for (int item = threadIdx.x; item < S::kRows * kVectors; item += S::kThreads) {
    const int m = tile_begin + item / kVectors;
    const int d = item % kVectors * 8;
    float eight[8] = {};
    if (m < tile_end && d < dim) {
      const int row = first_row + m / group;
      RotatedEight(qkv + QkvAt(attention, row, kv_head * group + m % group),
                   RotationOf(step, row, work.slice), d, eight);
    }
    StoreEight(staged_queries + item / kVectors * S::kPitch + d, eight);
  }
  __syncthreads();

  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const T* query_at = staged_queries + (warp * 16 + lane % 16) * S::kPitch + lane / 16 * 8;
  uint32_t queries[S::kQueriesInRegisters ? S::kDim / 16 : 1][4];
  if constexpr (S::kQueriesInRegisters) {
#pragma unroll
    for (int k = 0; k < S::kDim / 16; ++k) LoadMatrices(query_at + 16 * k, queries[k]);
    __syncthreads();
  }
  const auto load_query = [&](int k, uint32_t(&q)[4]) {
    if constexpr (S::kQueriesInRegisters) {
#pragma unroll
      for (int i = 0; i < 4; ++i) q[i] = queries[k][i];
    } else {
      LoadMatrices(query_at + 16 * k, q);
    }
  };

  const int warp_row = tile_begin + warp * 16;
  const int row_of_lane = warp_row + lane / 4;
  Running<S> running;
  running.window = window;
  running.position[0] = start + row_of_lane / group;
  running.position[1] = start + (row_of_lane + 8) / group;
  const int warp_end = warp_row < tile_end ? start + (warp_row + 15) / group + 1 : 0;
  const float scale = __fmul_rn(attention.scale, kLog2E);
  for (int stage = 0; first < end; stage ^= 1, first += S::kTokens) {
    if (first + S::kTokens < end) {
      T* next = stages + (stage ^ 1) * 2 * S::kTile;
      LoadStage<T, S>(attention, places, first + S::kTokens, end, next, next + S::kTile);
    }
    CommitAsync();
    WaitAsync<1>();
    __syncthreads();
    const T* keys = stages + stage * 2 * S::kTile;
    if (first < warp_end) {
      AddTile<T, S>(keys, keys + S::kTile, scale, first, load_query, running);
    }
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < 2; ++i) {
    float total = running.total[i];
    total = __fadd_rn(total, __shfl_xor_sync(0xffffffffu, total, 1));
    total = __fadd_rn(total, __shfl_xor_sync(0xffffffffu, total, 2));
    const int m = row_of_lane + 8 * i;
    if (m >= tile_end) continue;
    const float inverse = __frcp_rn(total);
    const int64_t row = first_row + m / group;
    T* out = static_cast<T*>(attention.out) +
             (row * attention.heads + kv_head * group + m % group) * dim + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < S::kDim / 8; ++n) {
      if (8 * n >= dim) break;
      *reinterpret_cast<uint32_t*>(out + 8 * n) =
          PackTwo<T>(running.sums[n][2 * i] * inverse, running.sums[n][2 * i + 1] * inverse);
    }
  }
}

template <typename T, typename S>
cudaError_t Launch(const DeviceStep& step, const CudaAttention& attention, cudaStream_t stream) {
  const int bytes = S::kElements * sizeof(T);
  const cudaError_t error =
      cudaFuncSetAttribute(PrefillKernel<T, S>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  // Each slice has one tile that is not full at most.
  const int64_t packed = static_cast<int64_t>(step.rows) * (attention.heads / attention.kv_heads);
  const unsigned tiles = static_cast<unsigned>(packed / S::kRows) + step.slices;
  return LaunchPdl(PrefillKernel<T, S>, dim3(tiles, attention.kv_heads), S::kThreads, bytes, stream,
                   step, attention);
}

}  // namespace

cudaError_t LaunchPrefill(const DeviceStep& step, const CudaAttention& attention,
                          cudaStream_t stream) {
  if (!TakesTensorCores(attention)) return cudaErrorNotSupported;
  return DispatchType(attention.type, [&](auto element) {
    using T = decltype(element);
    if constexpr (!std::is_same_v<T, float>) {
      if (attention.head_dim <= 64) return Launch<T, Shape<64>>(step, attention, stream);
      if (attention.head_dim <= 96) return Launch<T, Shape<96>>(step, attention, stream);
      if (attention.head_dim <= 128) return Launch<T, Shape<128>>(step, attention, stream);
      return Launch<T, Shape<256>>(step, attention, stream);
    }
    return cudaErrorNotSupported;
  });
}

}  // namespace gantry
