#include "kernels/cuda/four_bit.h"
#include "kernels/cuda/four_bit_codes.cuh"
#include "kernels/cuda/four_bit_scales.cuh"
#include "kernels/cuda/loads.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/packed_rows.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

__device__ __forceinline__ uint8_t* PieceOf(const FourBitWeights& w, int tile, int block) {
  return w.pieces + ((int64_t)tile * (w.cols / 64) + block) * FourBitPieceBytes(w.double_quant);
}

__global__ void Repack(const uint8_t* codes, const float* absmax, const uint8_t* absmax_codes,
                       const FourBitWeights w) {
  const int blocks = w.cols / 64;
  const int64_t index = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= (int64_t)FourBitTiles(w.rows) * blocks * 32) return;
  const int lane = index % 32;
  const int block = index / 32 % blocks;
  const int tile = index / 32 / blocks;
  const int g = lane / 4;
  const int t = lane % 4;
  const int row[2] = {PackedRow(w.rows, w.gated, tile, g), PackedRow(w.rows, w.gated, tile, g + 8)};
  uint32_t word[4] = {};
  for (int s = 0; s < 4; ++s) {
    for (int i = 0; i < 4; ++i) {
      const int from = row[i % 2];
      if (from >= w.rows) continue;
      const int64_t at = (int64_t)from * (w.cols / 2) + block * 32 + 8 * t + 2 * s + i / 2;
      const uint32_t pair = codes[at];
      word[s] |= (pair >> 1 | (pair & 1) << 7) << (8 * i);
    }
  }
  uint8_t* const piece = PieceOf(w, tile, block);
  reinterpret_cast<uint4*>(piece)[lane] = make_uint4(word[0], word[1], word[2], word[3]);
  if (t != 0) return;
  if (!w.double_quant) {
    const auto scale = [&](int from) {
      return from >= w.rows ? 0.0f : absmax[(int64_t)from * blocks + block];
    };
    reinterpret_cast<float2*>(piece + kFourBitCodeBytes)[g] =
        make_float2(scale(row[0]), scale(row[1]));
  } else {
    const auto code = [&](int from) {
      return from >= w.rows ? 0 : absmax_codes[(int64_t)from * blocks + block];
    };
    reinterpret_cast<uint16_t*>(piece + kFourBitCodeBytes)[g] =
        (uint16_t)(code(row[0]) | code(row[1]) << 8);
  }
}

constexpr int kThreads = 256;

// Stores 16 elements of each lane, those of columns 16 t .. 16 t + 15 of one row. Lanes of
// neighbouring columns swap halves, so that together they fill 32 bytes with each store.
template <typename T>
__device__ __forceinline__ void StoreColumns(const T (&values)[16], int t, T* row) {
  const uint4* chunk = reinterpret_cast<const uint4*>(values);
  if constexpr (sizeof(T) == 2) {
    const bool odd = t % 2 != 0;
    uint4 swapped = odd ? chunk[0] : chunk[1];
    swapped.x = __shfl_xor_sync(0xffffffff, swapped.x, 1);
    swapped.y = __shfl_xor_sync(0xffffffff, swapped.y, 1);
    swapped.z = __shfl_xor_sync(0xffffffff, swapped.z, 1);
    swapped.w = __shfl_xor_sync(0xffffffff, swapped.w, 1);
    uint4* const to = reinterpret_cast<uint4*>(row + 16 * (t - odd)) + odd;
    to[0] = odd ? swapped : chunk[0];
    to[2] = odd ? chunk[1] : swapped;
  } else {
    uint4* const to = reinterpret_cast<uint4*>(row + 16 * t);
#pragma unroll
    for (int i = 0; i < (int)sizeof(T); ++i) to[i] = chunk[i];
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    Dequantise(const FourBitWeights w, int first_tile, int tiles, T* out) {
  // A copy in each bank: lanes look up different codes, for which constant memory takes turns.
  __shared__ float codes[16 * 32];
  for (int i = threadIdx.x; i < 16 * 32; i += kThreads) codes[i] = FourBitCode(w.fp4, i / 32);
  __syncthreads();
  GridDependencyWait();
  const int blocks = w.cols / 64;
  const int64_t index = (int64_t)blockIdx.x * kThreads + threadIdx.x;
  if (index >= (int64_t)tiles * blocks * 32) return;  // a whole warp
  const int lane = index % 32;
  const int block = index / 32 % blocks;
  const int tile = first_tile + index / 32 / blocks;
  const int g = lane / 4;
  const int t = lane % 4;
  const uint8_t* const piece = PieceOf(w, tile, block);
  const uint4 words = LoadStreaming(reinterpret_cast<const uint4*>(piece) + lane);
  const auto pairs = [](uint32_t v) { return (v & 0x7f7f7f7f) << 1 | (v >> 7 & 0x01010101); };
  const uint32_t word[4] = {pairs(words.x), pairs(words.y), pairs(words.z), pairs(words.w)};
  float scale[2];
  if (!w.double_quant) {
    const float2 both = reinterpret_cast<const float2*>(piece + kFourBitCodeBytes)[g];
    scale[0] = both.x;
    scale[1] = both.y;
  } else {
    const int both = reinterpret_cast<const uint16_t*>(piece + kFourBitCodeBytes)[g];
    scale[0] = NestedScale(FindNestedRow(w, tile, g), w.nested.map, both & 0xff, block);
    scale[1] = NestedScale(FindNestedRow(w, tile, g + 8), w.nested.map, both >> 8, block);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int64_t row = (int64_t)(tile - first_tile) * 16 + g + 8 * half;
    alignas(16) T values[16];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const uint32_t pair = word[i / 2] >> (8 * (half + 2 * (i % 2))) & 0xff;
      values[2 * i] = FromFloat<T>(codes[(pair >> 4) * 32 + lane] * scale[half]);
      values[2 * i + 1] = FromFloat<T>(codes[(pair & 15) * 32 + lane] * scale[half]);
    }
    StoreColumns<T>(values, t, out + row * w.cols + block * 64);
  }
}

dim3 LanesGrid(const FourBitWeights& w, int tiles) {
  const int64_t lanes = (int64_t)tiles * (w.cols / 64) * 32;
  return dim3((unsigned)((lanes + kThreads - 1) / kThreads));
}

}  // namespace

cudaError_t FourBitRepack(const uint8_t* codes, const float* absmax, const uint8_t* absmax_codes,
                          const FourBitWeights& weights, cudaStream_t stream) {
  Repack<<<LanesGrid(weights, FourBitTiles(weights.rows)), kThreads, 0, stream>>>(
      codes, absmax, absmax_codes, weights);
  return cudaGetLastError();
}

cudaError_t FourBitDequantise(const FourBitWeights& weights, int first_tile, int tiles,
                              CudaType type, void* out, cudaStream_t stream) {
  const dim3 grid = LanesGrid(weights, tiles);
  return DispatchType(type, [&](auto element) {
    using T = decltype(element);
    return LaunchPdl(Dequantise<T>, grid, dim3(kThreads), 0, stream, weights, first_tile, tiles,
                     static_cast<T*>(out));
  });
}

}  // namespace gantry
