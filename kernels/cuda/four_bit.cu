#include "kernels/cuda/four_bit.h"

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/four_bit_codes.cuh"
#include "kernels/cuda/loads.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/norm_row.cuh"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/warp_ring.cuh"

namespace gantry {
namespace {

// A block of threads takes some tiles of 16 rows; its warps share the columns of each, so that a
// tile's sum is that of 16 partial sums in the order of the columns, whatever the grid or the
// tokens.
constexpr int kThreads = kNormThreads;
constexpr int kWarps = kThreads / 32;
// Pieces of weights that a warp has asked for or holds.
constexpr int kSlots = 6;
constexpr int kTableBytes = 256 * 32 * 4;
// More than half of a multiprocessor's, so that it takes one block. Where there is room for two,
// the blocks of a kernel that starts beside attention pile up on some multiprocessors, and the next
// kernels inherit that: a layer of Llama-3-8B took 25 us more on an H100.
constexpr int kLeastShared = 116 << 10;
// Of the activations in shared memory; larger ones are read through the first cache.
constexpr int kMostSharedX = 64 << 10;
constexpr int kMostPartials = 32 << 10;
constexpr int kRowPadding = 8;  // elements, so that eight rows lie in different banks
// Tokens up to which each block normalises its own copy.
constexpr int kMostFusedNorm = 4;

template <bool kNested>
using Ring = WarpRing<kSlots, FourBitPieceBytes(kNested)>;

struct Args {
  FourBitWeights weights;
  CudaProduct product;
  int slots;     // tiles whose partial sums shared memory holds
  int x_offset;  // in shared memory
};

// Shared memory: the table, rings, barriers, the map of nested scales, scratch of the norm, partial
// sums, activations.
template <bool kNested>
struct Layout {
  static constexpr int kRings = kTableBytes;
  static constexpr int kBarriers = kRings + kWarps * Ring<kNested>::kSharedBytes;
  static constexpr int kMap = kBarriers + kWarps * Ring<kNested>::kBarrierBytes;
  static constexpr int kScratch = kMap + (kNested ? 1024 : 0);
  static constexpr int kPartials = kScratch + 2 * kWarps * 4;
};

// The tensor that a packed row comes from, and the row's first block in it.
struct NestedRow {
  const float* absmax;
  int64_t first_block;
  float offset;
};
__device__ NestedRow FindNestedRow(const FourBitWeights& w, int tile, int p) {
  int row = tile * 16 + p;
  if (w.gated) row = tile * 8 + p % 8 + (p < 8 ? 0 : w.rows / 2);
  int part = 0;
  while (part + 1 < w.nested.parts && row >= w.nested.first_row[part + 1]) ++part;
  return {w.nested.absmax[part], (int64_t)(row - w.nested.first_row[part]) * (w.cols / 64),
          w.nested.offset[part]};
}
__device__ __forceinline__ float NestedScale(const NestedRow& row, const float* map, int code,
                                             int block) {
  return __fadd_rn(__fmul_rn(map[code], __ldg(row.absmax + ((row.first_block + block) >> 8))),
                   row.offset);
}

// Floats from one row of partial sums, [16, tokens], to the next: odd, so that rows lie in
// different banks.
__host__ __device__ constexpr int PartialWidth(int tokens) { return tokens | 1; }

// Sums the partial sums of `tiles` tiles from `first` on and writes what they become.
template <typename T>
__device__ __forceinline__ void Finish(const CudaProduct& p, const float* partials, int first,
                                       int tiles, int splits) {
  const bool gate = IsGate(p.epilogue);
  const int height = gate ? 8 : 16;
  const int count = tiles * height * p.tokens;
  for (int i = threadIdx.x; i < count; i += kThreads) {
    const int row = i % height;
    const int tile = i / height % tiles;
    const int token = i / height / tiles;
    const int width = PartialWidth(p.tokens);
    const float* at = partials + (tile * splits * 16 + row) * width + token;
    const int stride = 16 * width;
    float sum = 0;
    for (int k = 0; k < splits; ++k) sum += at[k * stride];
    if (gate) {
      float up = 0;
      for (int k = 0; k < splits; ++k) up += at[k * stride + 8 * width];
      const int out_row = (first + tile) * 8 + row;
      if (p.bias != nullptr) {
        sum += p.bias[out_row];
        up += p.bias[p.rows / 2 + out_row];
      }
      static_cast<T*>(p.out)[(int64_t)token * (p.rows / 2) + out_row] =
          GateElement<T>(p.epilogue, sum, up);
      continue;
    }
    const int out_row = (first + tile) * 16 + row;
    if (out_row >= p.rows) continue;
    if (p.bias != nullptr) sum += p.bias[out_row];
    StoreElement<T>(p, (int64_t)token * p.rows + out_row, sum);
  }
}

// Tiles that share what is read of the activations. Four were slower for 32 tokens and no faster
// for fewer: 28672x4096 took 120 us instead of 94 on an H100.
constexpr int kSides = 2;

// Where a block finds the activations, [tokens, cols].
enum class Source { kMemory, kShared, kNormalised };

// kTiles: tiles of eight tokens.
template <typename T, int kTiles, bool kNested, Source kSource>
__global__ void __launch_bounds__(kThreads, kTiles == 1 ? 2 : 1) Multiply(const Args args) {
  extern __shared__ __align__(128) unsigned char shared[];
  constexpr bool kSharedX = kSource != Source::kMemory;
  constexpr bool kNorm = kSource == Source::kNormalised;
  const FourBitWeights& w = args.weights;
  const CudaProduct& p = args.product;
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int g = lane / 4;
  const int t = lane % 4;
  const int blocks = w.cols / 64;
  const int all_tiles = (w.rows + 15) / 16;
  const int splits = min(blocks, kWarps);
  const int first_block = warp < splits ? warp * blocks / splits : 0;
  const int my_blocks = warp < splits ? (warp + 1) * blocks / splits - first_block : 0;
  const int first_tile = (int64_t)blockIdx.x * all_tiles / gridDim.x;
  const int tiles = (int64_t)(blockIdx.x + 1) * all_tiles / gridDim.x - first_tile;

  // Weights come in the order in which they are multiplied: some tiles at a time, block by block.
  constexpr int kPiece = FourBitPieceBytes(kNested);
  using At = Layout<kNested>;
  Ring<kNested> ring(shared + At::kRings + warp * Ring<kNested>::kSharedBytes,
                     shared + At::kBarriers + warp * Ring<kNested>::kBarrierBytes);
  const int64_t tile_bytes = (int64_t)blocks * kPiece;
  const uint8_t* next = w.pieces + first_tile * tile_bytes + first_block * kPiece;
  int next_block = 0;
  int next_tile = 0;
  int next_side = 0;
  const auto fill = [&] {
    ring.Fill(next, next_tile < tiles && my_blocks > 0);
    if (next_side + 1 < kSides && next_tile + next_side + 1 < tiles) {
      ++next_side;
      next += tile_bytes;
      return;
    }
    next -= next_side * tile_bytes;
    next_side = 0;
    next += kPiece;
    if (++next_block == my_blocks) {
      next_block = 0;
      next_tile += kSides;
      next += kSides * tile_bytes - my_blocks * kPiece;
    }
  };
  for (int i = 0; i < kSlots - 1; ++i) fill();

  // Pairs of codes, a copy in each bank.
  {
    uint32_t* const table = reinterpret_cast<uint32_t*>(shared);
    const float low = FourBitCode(w.fp4, warp);
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      table[(i * 16 + warp) * 32 + lane] = PackTwo<T>(FourBitCode(w.fp4, i), low);
    }
  }
  float* const map = reinterpret_cast<float*>(shared + At::kMap);
  if (kNested && threadIdx.x < 256) map[threadIdx.x] = w.nested.map[threadIdx.x];
  float* const scratch = reinterpret_cast<float*>(shared + At::kScratch);
  float* const partials = reinterpret_cast<float*>(shared + At::kPartials);

  const NormRow<T> norm(p.norm_weight, kNorm ? w.cols : 0);

  GridDependencyWait();
  const T* x = static_cast<const T*>(p.x);
  int x_stride = w.cols;
  if (kSharedX) {
    T* const staged = reinterpret_cast<T*>(shared + args.x_offset);
    x_stride = w.cols + kRowPadding;
    for (int token = 0; token < p.tokens; ++token) {
      const T* from = x + (int64_t)token * w.cols;
      T* to = staged + token * x_stride;
      if constexpr (kNorm) {
        norm.Run(from, p.norm_eps, scratch + token % 2 * kWarps, to);
      } else {
        for (int i = threadIdx.x * 8; i < w.cols; i += kThreads * 8) {
          *reinterpret_cast<uint4*>(to + i) = *reinterpret_cast<const uint4*>(from + i);
        }
      }
    }
    x = staged;
  }
  __syncthreads();

  const uint32_t lane4 = lane * 4;
  const uint32_t my_x =
      kSharedX ? SharedAddress(shared) + args.x_offset + (g * x_stride + 16 * t) * 2 : 0;
  int slot = 0;
  for (int tile = 0; tile < tiles; tile += kSides) {
    const int sides = min(kSides, tiles - tile);
    float sums[kSides][kTiles][4] = {};
    for (int i = 0; i < my_blocks; ++i) {
      const int block = first_block + i;
      uint4 pairs[kTiles][2];
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        pairs[n][0] = pairs[n][1] = make_uint4(0, 0, 0, 0);
        if (n * 8 + g < p.tokens) {
          if constexpr (kSharedX) {
            const uint32_t from = my_x + (n * 8 * x_stride + block * 64) * 2;
            pairs[n][0] = LoadShared16(from);
            pairs[n][1] = LoadShared16(from + 16);
          } else {
            const uint4* from = reinterpret_cast<const uint4*>(x + (int64_t)(n * 8 + g) * x_stride +
                                                               block * 64 + 16 * t);
            pairs[n][0] = from[0];
            pairs[n][1] = from[1];
          }
        }
      }
#pragma unroll
      for (int side = 0; side < kSides; ++side) {
        if (side == sides) break;
        const uint32_t piece = ring.Wait();
        const uint4 words = LoadShared16(piece + lane * 16);
        float first, second;
        if constexpr (kNested) {
          const uint32_t codes = LoadShared2(piece + kFourBitCodeBytes + g * 2);
          const int from = first_tile + tile + side;
          first = NestedScale(FindNestedRow(w, from, g), map, codes & 0xff, block);
          second = NestedScale(FindNestedRow(w, from, g + 8), map, codes >> 8, block);
        } else {
          const uint2 both = LoadShared8(piece + kFourBitCodeBytes + g * 8);
          first = __uint_as_float(both.x);
          second = __uint_as_float(both.y);
        }
        // The slot of the piece before this one is free.
        __syncwarp();
        fill();
        ring.Next();
        float product[kTiles][4] = {};
        const uint32_t word[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int s = 0; s < 4; ++s) {
          const uint32_t v = word[s];
          const auto look_up = [&](uint32_t offset) {
            return *reinterpret_cast<const uint32_t*>(shared + ((offset & 0x7f80u) | lane4));
          };
          const uint32_t a0 = look_up(v << 7);
          const uint32_t a1 = look_up(v >> 1);
          const uint32_t a2 = look_up(v >> 9);
          const uint32_t a3 = look_up(v >> 17);
#pragma unroll
          for (int n = 0; n < kTiles; ++n) {
            const uint4& pair = pairs[n][s / 2];
            Mma16x8x16<T>(product[n], a0, a1, a2, a3, s % 2 == 0 ? pair.x : pair.z,
                          s % 2 == 0 ? pair.y : pair.w);
          }
        }
#pragma unroll
        for (int n = 0; n < kTiles; ++n) {
          sums[side][n][0] += product[n][0] * first;
          sums[side][n][1] += product[n][1] * first;
          sums[side][n][2] += product[n][2] * second;
          sums[side][n][3] += product[n][3] * second;
        }
      }
    }
#pragma unroll
    for (int side = 0; side < kSides; ++side) {
      if (side == sides) break;
      if (warp < splits) {
        const int width = PartialWidth(p.tokens);
        float* const to = partials + (slot * splits + warp) * 16 * width;
#pragma unroll
        for (int n = 0; n < kTiles; ++n) {
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            const int token = n * 8 + 2 * t + i % 2;
            if (token < p.tokens) to[(g + i / 2 * 8) * width + token] = sums[side][n][i];
          }
        }
      }
      ++slot;
    }
    if (slot + kSides > args.slots || tile + kSides >= tiles) {
      __syncthreads();
      Finish<T>(p, partials, first_tile + tile + sides - slot, slot, splits);
      __syncthreads();
      slot = 0;
    }
  }
}

// The row of the source that a packed row holds, or -1.
__device__ __forceinline__ int SourceRow(const FourBitWeights& w, int tile, int p) {
  if (w.gated) return tile * 8 + p % 8 + (p < 8 ? 0 : w.rows / 2);
  const int row = tile * 16 + p;
  return row < w.rows ? row : -1;
}

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
  const int row[2] = {SourceRow(w, tile, g), SourceRow(w, tile, g + 8)};
  uint32_t word[4] = {};
  for (int s = 0; s < 4; ++s) {
    for (int i = 0; i < 4; ++i) {
      const int from = row[i % 2];
      if (from < 0) continue;
      const int64_t at = (int64_t)from * (w.cols / 2) + block * 32 + 8 * t + 2 * s + i / 2;
      word[s] |= (uint32_t)codes[at] << (8 * i);
    }
  }
  uint8_t* const piece = PieceOf(w, tile, block);
  reinterpret_cast<uint4*>(piece)[lane] = make_uint4(word[0], word[1], word[2], word[3]);
  if (t != 0) return;
  if (!w.double_quant) {
    const auto scale = [&](int from) {
      return from < 0 ? 0.0f : absmax[(int64_t)from * blocks + block];
    };
    reinterpret_cast<float2*>(piece + kFourBitCodeBytes)[g] =
        make_float2(scale(row[0]), scale(row[1]));
  } else {
    const auto code = [&](int from) {
      return from < 0 ? 0 : absmax_codes[(int64_t)from * blocks + block];
    };
    reinterpret_cast<uint16_t*>(piece + kFourBitCodeBytes)[g] =
        (uint16_t)(code(row[0]) | code(row[1]) << 8);
  }
}

template <typename T>
__global__ void Dequantise(const FourBitWeights w, int first_tile, int tiles, T* out) {
  GridDependencyWait();
  const int blocks = w.cols / 64;
  const int64_t index = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= (int64_t)tiles * blocks * 32) return;
  const int lane = index % 32;
  const int block = index / 32 % blocks;
  const int tile = first_tile + index / 32 / blocks;
  const int g = lane / 4;
  const int t = lane % 4;
  const uint8_t* const piece = PieceOf(w, tile, block);
  const uint4 words = LoadStreaming(reinterpret_cast<const uint4*>(piece) + lane);
  const uint32_t word[4] = {words.x, words.y, words.z, words.w};
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
    T values[16];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const uint32_t pair = word[i / 2] >> (8 * (half + 2 * (i % 2))) & 0xff;
      values[2 * i] = FromFloat<T>(FourBitCode(w.fp4, pair >> 4) * scale[half]);
      values[2 * i + 1] = FromFloat<T>(FourBitCode(w.fp4, pair & 15) * scale[half]);
    }
    uint4* to = reinterpret_cast<uint4*>(out + row * w.cols + block * 64 + 16 * t);
#pragma unroll
    for (int i = 0; i < (int)(16 * sizeof(T) / 16); ++i) {
      to[i] = reinterpret_cast<const uint4*>(values)[i];
    }
  }
}

template <typename T, int kTiles, bool kNested, Source kSource>
cudaError_t LaunchMultiply(const Args& args, int grid, int shared_bytes, cudaStream_t stream) {
  const auto kernel = Multiply<T, kTiles, kNested, kSource>;
  const cudaError_t allowed =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  if (allowed != cudaSuccess) return allowed;
  return LaunchPdl(kernel, dim3(grid), dim3(kThreads), shared_bytes, stream, args);
}

template <typename T, int kTiles, bool kNested>
cudaError_t ChooseSource(const Args& args, Source source, int grid, int shared_bytes,
                         cudaStream_t stream) {
  switch (source) {
    case Source::kMemory:
      return LaunchMultiply<T, kTiles, kNested, Source::kMemory>(args, grid, shared_bytes, stream);
    case Source::kShared:
      return LaunchMultiply<T, kTiles, kNested, Source::kShared>(args, grid, shared_bytes, stream);
    case Source::kNormalised:
      break;
  }
  // No more than kMostFusedNorm tokens.
  return LaunchMultiply<T, 1, kNested, Source::kNormalised>(args, grid, shared_bytes, stream);
}

template <typename T, bool kNested>
cudaError_t Choose(Args args, int multiprocessors, cudaStream_t stream) {
  const CudaProduct& p = args.product;
  const int splits = p.cols / 64 < kWarps ? p.cols / 64 : kWarps;
  const int tile_bytes = splits * 16 * PartialWidth(p.tokens) * (int)sizeof(float);
  const int tiles = FourBitTiles(p.rows);
  const int grid = tiles < multiprocessors ? tiles : multiprocessors;
  const int most_tiles = (tiles + grid - 1) / grid;
  args.slots = kMostPartials / tile_bytes;
  if (args.slots > most_tiles) args.slots = most_tiles;
  if (args.slots < kSides) args.slots = kSides;
  const int x_bytes = p.tokens * (p.cols + kRowPadding) * (int)sizeof(T);
  const Source source = p.norm_weight != nullptr  ? Source::kNormalised
                        : x_bytes <= kMostSharedX ? Source::kShared
                                                  : Source::kMemory;
  args.x_offset = (Layout<kNested>::kPartials + args.slots * tile_bytes + 15) / 16 * 16;
  int bytes = args.x_offset + (source == Source::kMemory ? 0 : x_bytes);
  if (bytes < kLeastShared) bytes = kLeastShared;
  if (p.tokens <= 8) return ChooseSource<T, 1, kNested>(args, source, grid, bytes, stream);
  if (p.tokens <= 16) return ChooseSource<T, 2, kNested>(args, source, grid, bytes, stream);
  return ChooseSource<T, 4, kNested>(args, source, grid, bytes, stream);
}

dim3 LanesGrid(const FourBitWeights& w, int tiles, int threads) {
  const int64_t lanes = (int64_t)tiles * (w.cols / 64) * 32;
  return dim3((unsigned)((lanes + threads - 1) / threads));
}

}  // namespace

bool FusesFourBitNorm(const CudaProduct& p) {
  return p.tokens <= kMostFusedNorm && NormRow<half>::Supports(p.cols) &&
         p.tokens * (p.cols + kRowPadding) * 2 <= kMostSharedX;
}

bool SupportsFourBitProduct(const CudaProduct& p, int compute_capability) {
  return compute_capability >= 80 && p.type != CudaType::kFloat && p.tokens >= 1 &&
         p.tokens <= kFourBitMaxTokens && (p.norm_weight == nullptr || FusesFourBitNorm(p));
}

cudaError_t FourBitProduct(const FourBitWeights& weights, const CudaProduct& product,
                           int multiprocessors, cudaStream_t stream) {
  const Args args = {weights, product, 0, 0};
  const bool nested = weights.double_quant;
  if (product.type == CudaType::kHalf) {
    return nested ? Choose<half, true>(args, multiprocessors, stream)
                  : Choose<half, false>(args, multiprocessors, stream);
  }
  return nested ? Choose<__nv_bfloat16, true>(args, multiprocessors, stream)
                : Choose<__nv_bfloat16, false>(args, multiprocessors, stream);
}

cudaError_t FourBitRepack(const uint8_t* codes, const float* absmax, const uint8_t* absmax_codes,
                          const FourBitWeights& weights, cudaStream_t stream) {
  Repack<<<LanesGrid(weights, FourBitTiles(weights.rows), 256), 256, 0, stream>>>(
      codes, absmax, absmax_codes, weights);
  return cudaGetLastError();
}

cudaError_t FourBitDequantise(const FourBitWeights& weights, int first_tile, int tiles,
                              CudaType type, void* out, cudaStream_t stream) {
  const dim3 grid = LanesGrid(weights, tiles, 256);
  switch (type) {
    case CudaType::kFloat:
      return LaunchPdl(Dequantise<float>, grid, dim3(256), 0, stream, weights, first_tile, tiles,
                       static_cast<float*>(out));
    case CudaType::kHalf:
      return LaunchPdl(Dequantise<half>, grid, dim3(256), 0, stream, weights, first_tile, tiles,
                       static_cast<half*>(out));
    case CudaType::kBFloat16:
      break;
  }
  return LaunchPdl(Dequantise<__nv_bfloat16>, grid, dim3(256), 0, stream, weights, first_tile,
                   tiles, static_cast<__nv_bfloat16*>(out));
}

}  // namespace gantry
