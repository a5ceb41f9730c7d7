#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/int8.h"
#include "kernels/cuda/int8_finish.cuh"
#include "kernels/cuda/int8_outlier.cuh"
#include "kernels/cuda/loads.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/packed_rows.cuh"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {
namespace {

// As in four_bit.cu: blocks of threads take tiles of 16 rows and their warps share the columns.
// Sums of integers are exact, so their order does not matter.
constexpr int kThreads = 512;
constexpr int kWarps = kThreads / 32;
// Pieces of 16 rows and 128 columns that a warp has asked for or holds. A row's 128 bytes lie
// together; of odd rows the halves are swapped, so that two rows lie in different banks.
constexpr int kSlots = 3;
constexpr int kPieceCols = 128;
constexpr int kPieceBytes = 16 * kPieceCols;
constexpr int kMostSharedX = 80 << 10;
constexpr int kMostPartials = 32 << 10;
constexpr int kLeastShared = 116 << 10;  // as there
constexpr int kRowPadding = 16;          // bytes
constexpr int kRingBytes = kWarps * kSlots * kPieceBytes;

struct Args {
  CudaInt8Weights weights;
  CudaInt8Activations x;
  CudaInt8Options options;
  CudaProduct product;
  int slots;
  int extra_offset;  // in shared memory
  int x_offset;
  bool shared_x;
};

__device__ __forceinline__ void CopyAsync(uint32_t to, const void* from) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(to), "l"(from));
#endif
}
__device__ __forceinline__ void CommitCopies() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;");
#endif
}
template <int kLeft>
__device__ __forceinline__ void WaitForCopies() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#endif
}

// PackedRow, or the last row for one beyond it. Written out: what calls PackedRow spills registers.
__device__ __forceinline__ int RowOf(const CudaProduct& product, int tile, int p) {
  if (IsGate(product.epilogue)) return tile * 8 + p % 8 + (p < 8 ? 0 : product.rows / 2);
  const int row = tile * 16 + p;
  return row < product.rows ? row : product.rows - 1;
}

// extra = the outliers' part of some tiles, [tiles * 16, tokens]. A warp a row, a lane the columns
// that are its own.
__device__ void SumOutliers(const Args& args, int first, int tiles, float* extra) {
  const CudaProduct& p = args.product;
  const int lane = threadIdx.x % 32;
  const bool shared_list = args.options.per_batch;
  for (int i = threadIdx.x / 32; i < tiles * 16; i += kWarps) {
    const int row = RowOf(p, first + i / 16, i % 16);
#pragma unroll 4
    for (int token = 0; token < p.tokens; ++token) {
      const int list = shared_list ? 0 : token;
      const int32_t* const columns = args.x.columns + (int64_t)list * p.cols;
      const int end = args.x.starts[list * kInt8Starts + lane + 1];
      float sum = 0;
      for (int at = args.x.starts[list * kInt8Starts + lane]; at < end; ++at) {
        const int column = columns[at];
        sum = fmaf(OutlierValue(args.x, p.cols, args.options, token, column),
                   OutlierWeight(args.weights, row, column), sum);
      }
      sum = WarpSum(sum);
      if (lane == 0) extra[i * p.tokens + token] = sum;
    }
  }
}

template <typename T>
__device__ void Finish(const Args& args, const int* partials, const float* extra, int first,
                       int tiles, int splits) {
  const CudaProduct& p = args.product;
  const bool gate = IsGate(p.epilogue);
  const int height = gate ? 8 : 16;
  const int count = tiles * height * p.tokens;
  for (int i = threadIdx.x; i < count; i += kThreads) {
    const int at_row = i % height;
    const int tile = i / height % tiles;
    const int token = i / height / tiles;
    const auto extra_of = [&](int row) {
      return extra == nullptr ? 0.0f : extra[(tile * 16 + row) * p.tokens + token];
    };
    const int width = PartialWidth(p.tokens);
    const int* at = partials + (tile * splits * 16 + at_row) * width + token;
    const int stride = 16 * width;
    const auto element = [&](int row, int sum, int extra_row) {
      return Int8Element(sum, args.x.absmax[token], args.weights.scb[row], Int8Bias(p.bias, row),
                         extra_of(extra_row));
    };
    int sum = 0;
    for (int k = 0; k < splits; ++k) sum += at[k * stride];
    if (gate) {
      int up = 0;
      for (int k = 0; k < splits; ++k) up += at[k * stride + 8 * width];
      const int row = (first + tile) * 8 + at_row;
      const int half_rows = p.rows / 2;
      static_cast<T*>(p.out)[(int64_t)token * half_rows + row] = GateElement<T>(
          p.epilogue, element(row, sum, at_row), element(half_rows + row, up, at_row + 8));
      continue;
    }
    const int row = (first + tile) * 16 + at_row;
    if (row >= p.rows) continue;
    StoreElement<T>(p, (int64_t)token * p.rows + row, element(row, sum, at_row));
  }
}

// kTiles: tiles of eight tokens.
template <typename T, int kTiles>
__global__ void __launch_bounds__(kThreads, kTiles == 1 ? 2 : 1) Multiply(const Args args) {
  extern __shared__ __align__(128) unsigned char shared[];
  const CudaProduct& p = args.product;
  const int lane = threadIdx.x % 32;
  // Seen by the compiler to be one value for the whole warp, it keeps what follows from it in
  // uniform registers; with 32 tokens that made the kernel 5 % slower.
  const int warp = kTiles > 2 ? threadIdx.x / 32 : __shfl_sync(~0u, threadIdx.x / 32, 0);
  const int g = lane / 4;
  const int t = lane % 4;
  const int cols = p.cols;
  const int all_pieces = (cols + kPieceCols - 1) / kPieceCols;
  const int all_tiles = (p.rows + 15) / 16;
  const int splits = min(all_pieces, kWarps);
  const int first_piece = warp < splits ? warp * all_pieces / splits : 0;
  const int my_pieces = warp < splits ? (warp + 1) * all_pieces / splits - first_piece : 0;
  const int first_tile = (int64_t)blockIdx.x * all_tiles / gridDim.x;
  const int tiles = (int64_t)(blockIdx.x + 1) * all_tiles / gridDim.x - first_tile;

  const uint32_t ring = SharedAddress(shared) + warp * kSlots * kPieceBytes;
  int next_tile = 0;
  int next_piece = 0;
  int fill_slot = 0;
  // Lanes copy 16 bytes each, eight lanes a row, in four rounds.
  const int chunk = lane % 8;
  const int8_t* next[4];
  const auto start_tile = [&] {
    const int tile = first_tile + min(next_tile, tiles - 1);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      next[i] = args.weights.codes + (int64_t)RowOf(p, tile, 4 * i + lane / 8) * cols +
                first_piece * kPieceCols + 16 * chunk;
    }
  };
  start_tile();
  const auto fill = [&] {
    const bool any = next_tile < tiles && my_pieces > 0 &&
                     (first_piece + next_piece) * kPieceCols + 16 * chunk < cols;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = 4 * i + lane / 8;
      const uint32_t to =
          ring + fill_slot * kPieceBytes + row * kPieceCols + (chunk ^ row % 2 * 4) * 16;
      if (any) CopyAsync(to, next[i]);
      next[i] += kPieceCols;
    }
    CommitCopies();
    if (++fill_slot == kSlots) fill_slot = 0;
    if (++next_piece == my_pieces) {
      next_piece = 0;
      ++next_tile;
      start_tile();
    }
  };
  for (int i = 0; i < kSlots - 1; ++i) fill();

  GridDependencyWait();
  const int8_t* x = args.x.codes;
  int x_stride = cols;
  if (args.shared_x) {
    int8_t* const staged = reinterpret_cast<int8_t*>(shared) + args.x_offset;
    x_stride = cols + kRowPadding;
    for (int token = 0; token < p.tokens; ++token) {
      for (int i = threadIdx.x * 16; i < cols; i += kThreads * 16) {
        *reinterpret_cast<uint4*>(staged + token * x_stride + i) =
            *reinterpret_cast<const uint4*>(x + (int64_t)token * cols + i);
      }
    }
    x = staged;
  }
  const int lists = args.options.per_batch ? 1 : p.tokens;
  const bool any_outliers =
      __syncthreads_or(args.options.threshold > 0 && threadIdx.x < lists &&
                       args.x.starts[threadIdx.x * kInt8Starts + kInt8Starts - 1] > 0);

  int* const partials = reinterpret_cast<int*>(shared + kRingBytes);
  int read_slot = 0;
  int slot = 0;
  for (int tile = 0; tile < tiles; ++tile) {
    int sums[kTiles][4] = {};
    for (int i = 0; i < my_pieces; ++i) {
      WaitForCopies<kSlots - 2>();
      __syncwarp();
      const uint32_t rows = ring + read_slot * kPieceBytes + g * kPieceCols;
      uint4 first[2];
      uint4 second[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const uint32_t at = rows + ((half * 4 + t) ^ g % 2 * 4) * 16;
        first[half] = LoadShared16(at);
        second[half] = LoadShared16(at + 8 * kPieceCols);
      }
      if (++read_slot == kSlots) read_slot = 0;
      // Fills the slot of the piece before this one.
      __syncwarp();
      fill();
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int column = (first_piece + i) * kPieceCols + half * 64 + 16 * t;
#pragma unroll
        for (int n = 0; n < kTiles; ++n) {
          uint4 b = make_uint4(0, 0, 0, 0);
          if (n * 8 + g < p.tokens && column < cols) {
            b = *reinterpret_cast<const uint4*>(x + (int64_t)(n * 8 + g) * x_stride + column);
          }
          MmaInt8(sums[n], first[half].x, second[half].x, first[half].y, second[half].y, b.x, b.y);
          MmaInt8(sums[n], first[half].z, second[half].z, first[half].w, second[half].w, b.z, b.w);
        }
      }
    }
    if (warp < splits) {
      const int width = PartialWidth(p.tokens);
      int* const to = partials + (slot * splits + warp) * 16 * width;
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int token = n * 8 + 2 * t + i % 2;
          if (token < p.tokens) to[(g + i / 2 * 8) * width + token] = sums[n][i];
        }
      }
    }
    if (++slot == args.slots || tile + 1 == tiles) {
      float* extra = nullptr;
      if (any_outliers) {
        extra = reinterpret_cast<float*>(shared + args.extra_offset);
        SumOutliers(args, first_tile + tile + 1 - slot, slot, extra);
      }
      __syncthreads();
      Finish<T>(args, partials, extra, first_tile + tile + 1 - slot, slot, splits);
      __syncthreads();
      slot = 0;
    }
  }
}

// Bytes of the activations in shared memory.
int XBytes(const CudaProduct& p) { return p.tokens * (p.cols + kRowPadding); }

struct Plan {
  int grid = 0;
  int slots = 0;
  int extra_offset = 0;
  int x_offset = 0;
  int shared_bytes = 0;
};

// False where a block of this device has too little shared memory.
bool PlanProduct(const CudaProduct& p, bool shared_x, const CudaDevice& device, Plan* plan) {
  const int pieces = (p.cols + kPieceCols - 1) / kPieceCols;
  const int splits = pieces < kWarps ? pieces : kWarps;
  const int tile_bytes = splits * 16 * PartialWidth(p.tokens) * (int)sizeof(int);
  const int extra_bytes = 16 * p.tokens * (int)sizeof(float);
  const int tiles = (p.rows + 15) / 16;
  const int x_bytes = shared_x ? XBytes(p) : 0;
  plan->grid = tiles < device.multiprocessors ? tiles : device.multiprocessors;
  const int most_tiles = (tiles + plan->grid - 1) / plan->grid;
  const int room = (device.shared_bytes - kRingBytes - x_bytes - 15) / (tile_bytes + extra_bytes);
  plan->slots = kMostPartials / tile_bytes < room ? kMostPartials / tile_bytes : room;
  if (plan->slots > most_tiles) plan->slots = most_tiles;
  if (plan->slots < 1) plan->slots = 1;
  plan->extra_offset = kRingBytes + (plan->slots * tile_bytes + 15) / 16 * 16;
  plan->x_offset = plan->extra_offset + plan->slots * extra_bytes;
  plan->shared_bytes = plan->x_offset + x_bytes;
  if (plan->shared_bytes > device.shared_bytes) return false;
  const int least = kLeastShared < device.shared_bytes ? kLeastShared : device.shared_bytes;
  if (plan->shared_bytes < least) plan->shared_bytes = least;
  return true;
}

template <typename T, int kTiles>
cudaError_t Launch(const Args& args, const Plan& plan, cudaStream_t stream) {
  const auto kernel = Multiply<T, kTiles>;
  const cudaError_t allowed =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, plan.shared_bytes);
  if (allowed != cudaSuccess) return allowed;
  return LaunchPdl(kernel, dim3(plan.grid), dim3(kThreads), plan.shared_bytes, stream, args);
}

}  // namespace

int Int8ProductTokens(const CudaProduct& product, const CudaDevice& device) {
  if (device.compute_capability < 80 || product.cols % 64 != 0) return 0;
  if (IsGate(product.epilogue) && product.rows % 16 != 0) return 0;
  CudaProduct some = product;
  some.tokens = product.tokens < kInt8MaxTokens ? product.tokens : kInt8MaxTokens;
  Plan plan;
  while (some.tokens > 0 && !PlanProduct(some, /*shared_x=*/false, device, &plan)) --some.tokens;
  return some.tokens;
}

cudaError_t Int8Product(const CudaInt8Weights& weights, const CudaInt8Activations& x,
                        const CudaInt8Options& options, const CudaProduct& product,
                        const CudaDevice& device, cudaStream_t stream) {
  Plan plan;
  const bool shared_x =
      XBytes(product) <= kMostSharedX && PlanProduct(product, true, device, &plan);
  if (!shared_x && !PlanProduct(product, false, device, &plan)) return cudaErrorNotSupported;
  const Args args = {weights,       x,       options, product, plan.slots, plan.extra_offset,
                     plan.x_offset, shared_x};
  return DispatchType(product.type, [&](auto element) {
    using T = decltype(element);
    if (product.tokens <= 8) return Launch<T, 1>(args, plan, stream);
    if (product.tokens <= 16) return Launch<T, 2>(args, plan, stream);
    return Launch<T, 4>(args, plan, stream);
  });
}

}  // namespace gantry
