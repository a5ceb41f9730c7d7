#include "kernels/cuda/four_bit.h"

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/four_bit_codes.cuh"
#include "kernels/cuda/four_bit_scales.cuh"
#include "kernels/cuda/loads.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/norm_row.cuh"
#include "kernels/cuda/packed_rows.cuh"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/warp_ring.cuh"

namespace gantry {
namespace {

// A block of threads takes some tiles of 16 rows; its warps share the columns of each, so that a
// tile's sum is that of 16 partial sums in the order of the columns, whatever the grid or the
// tokens.
constexpr int kThreads = kNormThreads;
constexpr int kWarps = kThreads / 32;
// Blocks of 64 columns of a tile that a warp has asked for or holds, and how many of them it asks
// for at once: with two there is half the bookkeeping (28672x8192 took 48 us instead of 55 for one
// token on an H200), and with 32 tokens two would not fit the registers.
constexpr int kPieces = 6;
constexpr int RunOf(int tiles_of_tokens) { return tiles_of_tokens > 2 ? 1 : 2; }
constexpr int kTableBytes = 256 * 32 * 4;
// More than half of a multiprocessor's, so that it takes one block. Where there is room for two,
// the blocks of a kernel that starts beside attention pile up on some multiprocessors, and the next
// kernels inherit that: a layer of Llama-3-8B took 25 us more on an H100.
constexpr int kLeastShared = 116 << 10;
// But a product that normalises stands between two that do not, so each multiprocessor has one
// block of the product before it and room for one more, of up to what is left of the 228 KiB of
// compute capability 9.0. It may take no more than it needs: then its table and its first weights
// are there when the product before it ends, and those of the next when it ends itself.
constexpr int kMostSharedBetween = 110 << 10;
// Of the activations in shared memory; larger ones are read through the first cache.
constexpr int kMostSharedX = 64 << 10;
constexpr int kMostPartials = 32 << 10;
constexpr int kRowPadding = 8;  // elements, so that eight rows lie in different banks
// Tiles that share what is read of the activations. Four were slower for 32 tokens and no faster
// for fewer: 28672x4096 took 120 us instead of 94 on an H100.
constexpr int kSides = 2;
// Tokens up to which each block normalises its own copy.
constexpr int kMostFusedNorm = 4;

static_assert(kPieces % RunOf(1) == 0 && kPieces % RunOf(4) == 0, "the ring takes whole runs");

template <bool kNested, int kRun>
using Ring = WarpRing<kPieces / kRun, kRun * FourBitPieceBytes(kNested)>;

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
  static constexpr int kBarriers = kRings + kWarps * Ring<kNested, 1>::kSharedBytes;
  static constexpr int kMap = kBarriers + kWarps * Ring<kNested, 1>::kBarrierBytes;
  static constexpr int kScratch = kMap + (kNested ? 1024 : 0);
  static constexpr int kPartials = kScratch + 2 * kWarps * 4;
};

// An element of the output that a product adds to, asked for before the sum is there.
template <typename T>
struct Residual {
  bool known = false;
  T value;
};

// The first one that this thread adds to, if the block's tiles are all finished together.
template <typename T>
__device__ __forceinline__ Residual<T> AskForResidual(const CudaProduct& p, int first, int tiles,
                                                      int slots) {
  Residual<T> residual;
  if (p.epilogue != CudaEpilogue::kAddTo || p.float_out || tiles > slots) return residual;
  const int i = threadIdx.x;
  const int row = (first + i / 16 % tiles) * 16 + i % 16;
  if (i >= tiles * 16 * p.tokens || row >= p.rows) return residual;
  residual.known = true;
  residual.value = static_cast<const T*>(p.out)[(int64_t)(i / 16 / tiles) * p.rows + row];
  return residual;
}

// Sums the partial sums of `tiles` tiles from `first` on and writes what they become.
template <typename T>
__device__ __forceinline__ void Finish(const CudaProduct& p, const float* partials, int first,
                                       int tiles, int splits, const Residual<T>& residual) {
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
    const int64_t to = (int64_t)token * p.rows + out_row;
    if (residual.known && i == threadIdx.x) {
      static_cast<T*>(p.out)[to] = FromFloat<T>(ToFloat(residual.value) + Round<T>(sum));
    } else {
      StoreElement<T>(p, to, sum);
    }
  }
}

// Bytes of b:a by prmt's selector, a constant; those that it marks with 8 are the sign of a byte.
template <int kSelector>
__device__ __forceinline__ uint32_t Permute(uint32_t a, uint32_t b) {
  uint32_t bytes;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(bytes) : "r"(a), "r"(b), "n"(kSelector));
  return bytes;
}

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
  // One value for the whole warp, which the compiler sees and keeps in uniform registers with all
  // that follows from it.
  const int warp = __shfl_sync(~0u, threadIdx.x / 32, 0);
  const int g = lane / 4;
  const int t = lane % 4;
  const int blocks = w.cols / 64;
  const int all_tiles = (w.rows + 15) / 16;
  const int splits = min(blocks, kWarps);
  const int first_block = warp < splits ? warp * blocks / splits : 0;
  const int my_blocks = warp < splits ? (warp + 1) * blocks / splits - first_block : 0;
  const int first_tile = (int64_t)blockIdx.x * all_tiles / gridDim.x;
  const int tiles = (int64_t)(blockIdx.x + 1) * all_tiles / gridDim.x - first_tile;

  // Weights come in the order in which they are multiplied: some tiles at a time, some blocks of
  // each in turn.
  constexpr int kRun = RunOf(kTiles);
  constexpr int kPiece = FourBitPieceBytes(kNested);
  using At = Layout<kNested>;
  using WeightRing = Ring<kNested, kRun>;
  WeightRing ring(shared + At::kRings + warp * WeightRing::kSharedBytes,
                  shared + At::kBarriers + warp * WeightRing::kBarrierBytes);
  const int64_t tile_bytes = (int64_t)blocks * kPiece;
  const uint8_t* next = w.pieces + first_tile * tile_bytes + first_block * kPiece;
  int left_blocks = my_blocks;
  int left_tiles = my_blocks > 0 ? tiles : 0;
  int next_side = 0;
  const auto fill = [&] {
    const int run = min(kRun, left_blocks);
    ring.Fill(next, left_tiles > 0 ? run * kPiece : 0);
    if (next_side + 1 < min(kSides, left_tiles)) {
      ++next_side;
      next += tile_bytes;
      return;
    }
    next += run * kPiece - next_side * tile_bytes;
    next_side = 0;
    left_blocks -= run;
    if (left_blocks == 0) {
      left_blocks = my_blocks;
      left_tiles -= kSides;
      next += kSides * tile_bytes - my_blocks * kPiece;
    }
  };
  for (int i = 0; i < kPieces / kRun - 1; ++i) fill();

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
  Residual<T> residual;
  if (!kNorm) residual = AskForResidual<T>(p, first_tile, tiles, args.slots);
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

  const uint32_t banks = lane * 0x04040404u;
  const uint32_t my_x =
      kSharedX ? SharedAddress(shared) + args.x_offset + (g * x_stride + 16 * t) * 2 : 0;
  uint4 pairs[kRun][kTiles][2] = {};  // of tokens that are not there they stay zero
  int slot = 0;
  for (int tile = 0; tile < tiles; tile += kSides) {
    const int sides = min(kSides, tiles - tile);
    float sums[kSides][kTiles][4] = {};
    for (int i = 0; i < my_blocks; i += kRun) {
      const int run = kRun == 1 ? 1 : min(kRun, my_blocks - i);
#pragma unroll
      for (int k = 0; k < kRun; ++k) {
        const int block = first_block + i + k;
#pragma unroll
        for (int n = 0; n < kTiles; ++n) {
          if (k < run && n * 8 + g < p.tokens) {
            if constexpr (kSharedX) {
              const uint32_t from = my_x + (n * 8 * x_stride + block * 64) * 2;
              pairs[k][n][0] = LoadShared16(from);
              pairs[k][n][1] = LoadShared16(from + 16);
            } else {
              const uint4* from = reinterpret_cast<const uint4*>(
                  x + (int64_t)(n * 8 + g) * x_stride + block * 64 + 16 * t);
              pairs[k][n][0] = from[0];
              pairs[k][n][1] = from[1];
            }
          }
        }
      }
#pragma unroll
      for (int side = 0; side < kSides; ++side) {
        if (side == sides) break;
        const uint32_t pieces = ring.Wait();
#pragma unroll
        for (int k = 0; k < kRun; ++k) {
          if (k == run) break;
          const uint32_t piece = pieces + k * kPiece;
          const uint4 words = LoadShared16(piece + lane * 16);
          float first, second;
          if constexpr (kNested) {
            const uint32_t codes = LoadShared2(piece + kFourBitCodeBytes + g * 2);
            const int from = first_tile + tile + side;
            const int block = first_block + i + k;
            first = NestedScale(FindNestedRow(w, from, g), map, codes & 0xff, block);
            second = NestedScale(FindNestedRow(w, from, g + 8), map, codes >> 8, block);
          } else {
            const uint2 both = LoadShared8(piece + kFourBitCodeBytes + g * 8);
            first = __uint_as_float(both.x);
            second = __uint_as_float(both.y);
          }
          if (k == 0) {
            // The slot of the pieces before these is free.
            __syncwarp();
            fill();
            ring.Next();
          }
          float product[kTiles][4] = {};
          const uint32_t word[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
          for (int s = 0; s < 4; ++s) {
            // A pair of codes is looked up at 128 times its number plus the lane's bank, whose bits
            // two bytes have: the lower one the number's last bit.
            const uint32_t high = word[s] & 0x7f7f7f7fu;
            const uint32_t low = (word[s] & 0x80808080u) | banks;
            const auto look_up = [&](uint32_t at) {
              return *reinterpret_cast<const uint32_t*>(shared + at);
            };
            const uint32_t a0 = look_up(Permute<0x8804>(high, low));
            const uint32_t a1 = look_up(Permute<0x8815>(high, low));
            const uint32_t a2 = look_up(Permute<0x8826>(high, low));
            const uint32_t a3 = look_up(Permute<0x8837>(high, low));
#pragma unroll
            for (int n = 0; n < kTiles; ++n) {
              const uint4& pair = pairs[k][n][s / 2];
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
    if (slot + min(kSides, tiles - tile - kSides) > args.slots || tile + kSides >= tiles) {
      __syncthreads();
      Finish<T>(p, partials, first_tile + tile + sides - slot, slot, splits, residual);
      __syncthreads();
      slot = 0;
    }
  }
}

// Bytes of the activations in shared memory, in half or bfloat16.
int XBytes(const CudaProduct& p) { return p.tokens * (p.cols + kRowPadding) * 2; }

struct Plan {
  Source source = Source::kMemory;
  int grid = 0;
  int slots = 0;
  int x_offset = 0;
  int shared_bytes = 0;
};

// False where a block of this device has too little shared memory.
bool PlanProduct(const CudaProduct& p, Source source, bool nested, const CudaDevice& device,
                 Plan* plan) {
  const int splits = p.cols / 64 < kWarps ? p.cols / 64 : kWarps;
  const int tile_bytes = splits * 16 * PartialWidth(p.tokens) * (int)sizeof(float);
  const int tiles = FourBitTiles(p.rows);
  const int partials = nested ? Layout<true>::kPartials : Layout<false>::kPartials;
  const int x_bytes = source == Source::kMemory ? 0 : XBytes(p);
  plan->source = source;
  plan->grid = tiles < device.multiprocessors ? tiles : device.multiprocessors;
  const int most_tiles = (tiles + plan->grid - 1) / plan->grid;
  const int room = device.shared_bytes - partials - x_bytes - 15;
  plan->slots = (room < kMostPartials ? room : kMostPartials) / tile_bytes;
  if (plan->slots > most_tiles) plan->slots = most_tiles;
  if (plan->slots < kSides) plan->slots = kSides;
  plan->x_offset = (partials + plan->slots * tile_bytes + 15) / 16 * 16;
  plan->shared_bytes = plan->x_offset + x_bytes;
  if (plan->shared_bytes > device.shared_bytes) return false;
  if (source == Source::kNormalised && plan->shared_bytes <= kMostSharedBetween) return true;
  const int least = kLeastShared < device.shared_bytes ? kLeastShared : device.shared_bytes;
  if (plan->shared_bytes < least) plan->shared_bytes = least;
  return true;
}

template <typename T, int kTiles, bool kNested, Source kSource>
cudaError_t LaunchMultiply(const Args& args, const Plan& plan, cudaStream_t stream) {
  const auto kernel = Multiply<T, kTiles, kNested, kSource>;
  const cudaError_t allowed =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, plan.shared_bytes);
  if (allowed != cudaSuccess) return allowed;
  return LaunchPdl(kernel, dim3(plan.grid), dim3(kThreads), plan.shared_bytes, stream, args);
}

template <typename T, int kTiles, bool kNested>
cudaError_t ChooseSource(const Args& args, const Plan& plan, cudaStream_t stream) {
  switch (plan.source) {
    case Source::kMemory:
      return LaunchMultiply<T, kTiles, kNested, Source::kMemory>(args, plan, stream);
    case Source::kShared:
      return LaunchMultiply<T, kTiles, kNested, Source::kShared>(args, plan, stream);
    case Source::kNormalised:
      break;
  }
  // No more than kMostFusedNorm tokens.
  return LaunchMultiply<T, 1, kNested, Source::kNormalised>(args, plan, stream);
}

template <typename T, bool kNested>
cudaError_t ChooseTiles(const Args& args, const Plan& plan, cudaStream_t stream) {
  const int tokens = args.product.tokens;
  if (tokens <= 8) return ChooseSource<T, 1, kNested>(args, plan, stream);
  if (tokens <= 16) return ChooseSource<T, 2, kNested>(args, plan, stream);
  return ChooseSource<T, 4, kNested>(args, plan, stream);
}

}  // namespace

bool FusesFourBitNorm(const FourBitWeights& weights, const CudaProduct& p,
                      const CudaDevice& device) {
  Plan plan;
  return p.tokens <= kMostFusedNorm && NormRow<half>::Supports(p.cols) &&
         XBytes(p) <= kMostSharedX &&
         PlanProduct(p, Source::kNormalised, weights.double_quant, device, &plan);
}

int FourBitTokens(const FourBitWeights& weights, const CudaProduct& product,
                  const CudaDevice& device) {
  if (device.compute_capability < 80 || product.type == CudaType::kFloat) return 0;
  CudaProduct some = product;
  some.tokens = product.tokens < kFourBitMaxTokens ? product.tokens : kFourBitMaxTokens;
  Plan plan;
  while (some.tokens > 0 &&
         !PlanProduct(some, Source::kMemory, weights.double_quant, device, &plan)) {
    --some.tokens;
  }
  return some.tokens;
}

cudaError_t FourBitProduct(const FourBitWeights& weights, const CudaProduct& product,
                           const CudaDevice& device, cudaStream_t stream) {
  const bool nested = weights.double_quant;
  Source source = Source::kMemory;
  if (product.norm_weight != nullptr) {
    source = Source::kNormalised;
  } else if (XBytes(product) <= kMostSharedX) {
    source = Source::kShared;
  }
  Plan plan;
  bool fits = PlanProduct(product, source, nested, device, &plan);
  if (!fits && source == Source::kShared) {
    fits = PlanProduct(product, Source::kMemory, nested, device, &plan);
  }
  if (!fits) return cudaErrorNotSupported;
  const Args args = {weights, product, plan.slots, plan.x_offset};
  if (product.type == CudaType::kHalf) {
    return nested ? ChooseTiles<half, true>(args, plan, stream)
                  : ChooseTiles<half, false>(args, plan, stream);
  }
  return nested ? ChooseTiles<__nv_bfloat16, true>(args, plan, stream)
                : ChooseTiles<__nv_bfloat16, false>(args, plan, stream);
}

}  // namespace gantry
