#include <type_traits>

#include "kernels/cuda/attention_decode.cuh"
#include "kernels/cuda/mma.cuh"

namespace gantry {
namespace {

constexpr int kTile = 16;  // tokens that a warp takes at a time

// Sixteen bytes around the L1 cache, zeros unless `valid`. Volatile: it stays before the wait for
// the previous kernel if it is written there.
__device__ __forceinline__ uint4 LoadOnce(const void* from, bool valid) {
  uint4 words;
  asm volatile(
      "{\n"
      "  .reg .pred p;\n"
      "  setp.ne.b32 p, %5, 0;\n"
      "  mov.b32 %0, 0;\n  mov.b32 %1, 0;\n  mov.b32 %2, 0;\n  mov.b32 %3, 0;\n"
      "  @p ld.global.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];\n"
      "}"
      : "=&r"(words.x), "=&r"(words.y), "=&r"(words.z), "=&r"(words.w)
      : "l"(from), "r"(static_cast<int>(valid))
      : "memory");
  return words;
}

// Keys and values of a warp's sixteen tokens, in registers. With r = lane / 4 and c = lane % 4:
//  keys[i][j]:   token r + 8i, elements 32j + 8c and on
//  values[s][i]: token 2c + {0, 1, 8, 9}[i], elements 64s + 8r and on
template <int kDim>
struct Tile {
  uint4 keys[2][kDim / 32];
  uint4 values[kDim / 64][4];
};

__device__ __forceinline__ int ValueToken(int c, int i) { return 2 * c + (i & 1) + (i & 2) * 4; }

// Loads tokens [first, first + 16) as far as they are in [low, high).
template <typename T, int kDim>
__device__ __forceinline__ void LoadTile(const CudaAttention& attention, const KvPlaces& places,
                                         int first, int low, int high, Tile<kDim>& tile) {
  const int lane = threadIdx.x % 32;
  const int r = lane / 4;
  const int c = lane % 4;
  const int dim = attention.head_dim;
  // Lane i looks up token i % 16 for all.
  const int mine = first + lane % kTile;
  int64_t place = -1;
  if (mine >= low && mine < high) place = places.At(mine) * dim;
  const T* keys = static_cast<const T*>(attention.keys);
  const T* values = static_cast<const T*>(attention.values);
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int64_t at = __shfl_sync(0xffffffffu, place, r + 8 * i);
#pragma unroll
    for (int j = 0; j < kDim / 32; ++j) {
      const int d = 32 * j + 8 * c;
      tile.keys[i][j] = LoadOnce(keys + at + d, at >= 0 && d < dim);
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int64_t at = __shfl_sync(0xffffffffu, place, ValueToken(c, i));
#pragma unroll
    for (int s = 0; s < kDim / 64; ++s) {
      const int d = 64 * s + 8 * r;
      tile.values[s][i] = LoadOnce(values + at + d, at >= 0 && d < dim);
    }
  }
}

// Puts one token's key and value where LoadTile would have.
template <typename T, int kDim>
__device__ __forceinline__ void PatchTile(const T* key, const T* value, int token,
                                          Tile<kDim>& tile) {
  const int r = threadIdx.x % 32 / 4;
  const int c = threadIdx.x % 4;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    if (token != r + 8 * i) continue;
#pragma unroll
    for (int j = 0; j < kDim / 32; ++j) {
      tile.keys[i][j] = *reinterpret_cast<const uint4*>(key + 32 * j + 8 * c);
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (token != ValueToken(c, i)) continue;
#pragma unroll
    for (int s = 0; s < kDim / 64; ++s) {
      tile.values[s][i] = *reinterpret_cast<const uint4*>(value + 64 * s + 8 * r);
    }
  }
}

// What a lane knows of heads 2c and 2c + 1.
template <int kDim>
struct Running {
  float max[2] = {kMinusInfinity, kMinusInfinity};  // the same in all lanes of a head
  float total[2] = {0, 0};                          // of the lane's own tokens
  // [s][e]: elements 64s + 8r + 2e of both heads, then 64s + 8r + 2e + 1.
  float sums[kDim / 64][4][4] = {};
};

__device__ __forceinline__ uint32_t WordOf(const uint4& words, int i) {
  return i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w;
}

// Adds tokens [first, first + 16), as far as they are in [low, high), at least one.
// queries: shared, [kGroupHeads, kPitch]. Tokens are rows of the first product and its inner
// dimension in the second; elements of a head may come in any order as long as both factors have
// the same, which lets a lane take sixteen bytes in a row.
template <typename T, int kDim, int kPitch>
__device__ __forceinline__ void AddTile(const T* queries, const Tile<kDim>& tile, float scale,
                                        int first, int low, int high, Running<kDim>& running) {
  const int r = threadIdx.x % 32 / 4;
  const int c = threadIdx.x % 4;
  float even[4] = {};
  float odd[4] = {};
#pragma unroll
  for (int j = 0; j < kDim / 32; ++j) {
    const uint4 q = *reinterpret_cast<const uint4*>(queries + r * kPitch + 32 * j + 8 * c);
    const uint4& k0 = tile.keys[0][j];
    const uint4& k1 = tile.keys[1][j];
    Mma16x8x16<T>(even, k0.x, k1.x, k0.y, k1.y, q.x, q.y);
    Mma16x8x16<T>(odd, k0.z, k1.z, k0.w, k1.w, q.z, q.w);
  }
  const bool seen0 = first + r >= low && first + r < high;
  const bool seen1 = first + r + 8 >= low && first + r + 8 < high;
  float factor[2];
  float weights[2][2];  // [token][head]
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const float x0 = seen0 ? __fmul_rn(__fadd_rn(even[h], odd[h]), scale) : kMinusInfinity;
    const float x1 = seen1 ? __fmul_rn(__fadd_rn(even[h + 2], odd[h + 2]), scale) : kMinusInfinity;
    float max = fmaxf(x0, x1);
#pragma unroll
    for (int distance = 4; distance < 32; distance *= 2) {
      max = fmaxf(max, __shfl_xor_sync(0xffffffffu, max, distance));
    }
    max = fmaxf(max, running.max[h]);
    factor[h] = Exp2(__fsub_rn(running.max[h], max));
    running.max[h] = max;
    weights[0][h] = Exp2(__fsub_rn(x0, max));
    weights[1][h] = Exp2(__fsub_rn(x1, max));
    running.total[h] =
        __fmaf_rn(running.total[h], factor[h], __fadd_rn(weights[0][h], weights[1][h]));
  }
  const uint32_t p0 = TransposeEight(PackTwo<T>(weights[0][0], weights[0][1]));
  const uint32_t p1 = TransposeEight(PackTwo<T>(weights[1][0], weights[1][1]));
#pragma unroll
  for (int s = 0; s < kDim / 64; ++s) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      float(&sums)[4] = running.sums[s][e];
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[i] = __fmul_rn(sums[i], factor[i & 1]);
      const uint32_t v0 = WordOf(tile.values[s][0], e);
      const uint32_t v1 = WordOf(tile.values[s][1], e);
      const uint32_t v2 = WordOf(tile.values[s][2], e);
      const uint32_t v3 = WordOf(tile.values[s][3], e);
      Mma16x8x16<T>(sums, __byte_perm(v0, v1, 0x5410), __byte_perm(v0, v1, 0x7632),
                    __byte_perm(v2, v3, 0x5410), __byte_perm(v2, v3, 0x7632), p0, p1);
    }
  }
}

template <typename T, int kDim, DecodeRows kRows>
__global__ void __launch_bounds__(kDecodeThreads)
    TensorDecodeKernel(DeviceStep step, CudaAttention attention, DecodeGrid grid,
                       DecodePiece piece) {
  constexpr bool kNew = kRows == DecodeRows::kNew;
  constexpr int kAhead = kDim <= 128 ? 2 : 1;  // tiles, as far as there are registers
  constexpr int kPitch = kDim + 32;  // keeps lanes of neighbouring heads off each other's banks
  __shared__ alignas(16) T queries[kGroupHeads * kPitch];
  __shared__ alignas(16) T new_key[kDim];
  __shared__ alignas(16) T new_value[kDim];
  __shared__ alignas(16) float sums[kDecodeWarps * kGroupHeads * kDim];
  __shared__ float2 states[kDecodeWarps * kGroupHeads];

  const DecodeWork work = WorkOf<kRows>(step, attention, grid, piece);
  if (!kNew || work.nothing) GridDependencyWait();
  if (work.nothing) return;
  const int dim = attention.head_dim;
  const int warp = threadIdx.x / 32;
  const int base = work.low / kTile * kTile;
  const KvPlaces places = PlacesOf(step, attention, work.slice, work.kv_head);
  const int stored = kNew ? min(work.high, work.position) : work.high;
  int first = base + warp * kTile;
  // What earlier steps stored is asked for before the kernel that makes q, k and v has ended, and
  // ahead of its turn.
  constexpr int kStep = kDecodeWarps * kTile;
  Tile<kDim> tiles[kAhead];
#pragma unroll
  for (int i = 0; i < kAhead; ++i) {
    LoadTile<T, kDim>(attention, places, first + i * kStep, work.low, stored, tiles[i]);
  }
  const RowRotation rotation = RotationOf(step, work.row, work.slice);
  if (kNew) GridDependencyWait();

  const bool adds_new = kNew && work.high == work.splits.end;
  const T* qkv = static_cast<const T*>(attention.qkv);
  constexpr int kVectors = kDim / 8;
  for (int item = threadIdx.x; item < (kGroupHeads + 2) * kVectors; item += kDecodeThreads) {
    const int head = item / kVectors;
    const int d = item % kVectors * 8;
    float eight[8] = {};
    if (head < kGroupHeads) {
      if (head < work.heads && d < dim) {
        RotatedEight(qkv + QkvAt(attention, work.row, work.first_head + head), rotation, d, eight);
      }
      StoreEight(queries + head * kPitch + d, eight);
    } else if (adds_new) {
      const bool is_key = head == kGroupHeads;
      if (d < dim) {
        const int from = attention.heads + work.kv_head;
        const int64_t at = (places.At(work.position)) * dim + d;
        if (is_key) {
          RotatedEight(qkv + QkvAt(attention, work.row, from), rotation, d, eight);
          StoreEight(static_cast<T*>(attention.keys) + at, eight);
        } else {
          LoadEight(qkv + QkvAt(attention, work.row, from + attention.kv_heads) + d, eight);
          StoreEight(static_cast<T*>(attention.values) + at, eight);
        }
      }
      StoreEight((is_key ? new_key : new_value) + d, eight);
    }
  }
  __syncthreads();

  Running<kDim> running;
  const float scale = __fmul_rn(attention.scale, kLog2E);
  while (first < work.high) {
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      Tile<kDim>& tile = tiles[i];
      if (adds_new && work.position >= first && work.position < first + kTile) {
        PatchTile<T, kDim>(new_key, new_value, work.position - first, tile);
      }
      AddTile<T, kDim, kPitch>(queries, tile, scale, first, work.low, work.high, running);
      LoadTile<T, kDim>(attention, places, first + kAhead * kStep, work.low, stored, tile);
      first += kStep;
      if (first >= work.high) break;
    }
  }

  const int r = threadIdx.x % 32 / 4;
  const int c = threadIdx.x % 4;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float total = running.total[h];
#pragma unroll
    for (int distance = 4; distance < 32; distance *= 2) {
      total = __fadd_rn(total, __shfl_xor_sync(0xffffffffu, total, distance));
    }
    const int head = 2 * c + h;
    if (head >= work.heads) continue;
    if (r == 0) states[warp * kGroupHeads + head] = make_float2(running.max[h], total);
#pragma unroll
    for (int s = 0; s < kDim / 64; ++s) {
      const int d = 64 * s + 8 * r;
      if (d >= dim) continue;
      float4* to = reinterpret_cast<float4*>(sums + (warp * kGroupHeads + head) * kDim + d);
      const auto& parts = running.sums[s];
      to[0] = make_float4(parts[0][h], parts[0][h + 2], parts[1][h], parts[1][h + 2]);
      to[1] = make_float4(parts[2][h], parts[2][h + 2], parts[3][h], parts[3][h + 2]);
    }
  }
  const int warps = min(kDecodeWarps, (work.high - base + kTile - 1) / kTile);
  FinishSplit<4>(work, grid, attention, sums, kDim, states, warps,
                 [&](int head, int d, const Floats<4>& four) {
                   const int64_t row = work.row;
                   T* out = static_cast<T*>(attention.out) +
                            (row * attention.heads + work.first_head + head) * dim + d;
                   *reinterpret_cast<uint2*>(out) = make_uint2(PackTwo<T>(four.x[0], four.x[1]),
                                                               PackTwo<T>(four.x[2], four.x[3]));
                 });
}

template <typename T, int kDim, DecodeRows kRows>
cudaError_t Launch(const DeviceStep& step, const CudaAttention& attention, cudaStream_t stream) {
  return ForPieces(step, attention, kRows, [&](dim3 blocks, DecodeGrid grid, DecodePiece piece) {
    return LaunchPdl(TensorDecodeKernel<T, kDim, kRows>, blocks, kDecodeThreads, 0, stream, step,
                     attention, grid, piece);
  });
}

template <typename T, int kDim>
cudaError_t LaunchRows(const DeviceStep& step, const CudaAttention& attention, DecodeRows rows,
                       cudaStream_t stream) {
  switch (rows) {
    case DecodeRows::kAll:
      return Launch<T, kDim, DecodeRows::kAll>(step, attention, stream);
    case DecodeRows::kNew:
      return Launch<T, kDim, DecodeRows::kNew>(step, attention, stream);
    case DecodeRows::kSingle:
      return Launch<T, kDim, DecodeRows::kSingle>(step, attention, stream);
  }
  return cudaErrorInvalidValue;
}

}  // namespace

cudaError_t LaunchTensorDecode(const DeviceStep& step, const CudaAttention& attention,
                               DecodeRows rows, cudaStream_t stream) {
  if (!TakesTensorCores(attention)) return cudaErrorNotSupported;
  return DispatchType(attention.type, [&](auto element) {
    using T = decltype(element);
    if constexpr (!std::is_same_v<T, float>) {
      if (attention.head_dim <= 64) return LaunchRows<T, 64>(step, attention, rows, stream);
      if (attention.head_dim <= 128) return LaunchRows<T, 128>(step, attention, rows, stream);
      return LaunchRows<T, 256>(step, attention, rows, stream);
    }
    return cudaErrorNotSupported;
  });
}

}  // namespace gantry
