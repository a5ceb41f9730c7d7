#include "kernels/cuda/int8_slab.h"

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/int8_finish.cuh"
#include "kernels/cuda/int8_outlier.cuh"
#include "kernels/cuda/int8_slab.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

// A block of eight warps takes 64 tokens and 128 rows of the slab, of a gate 64 and the 64 of the
// up-projection that go with them; a warp 16 tokens and 64 rows. Outliers are multiplied 32 columns
// at a time.
constexpr int kThreads = 256;
constexpr int kTokens = 64;
constexpr int kRows = 128;
constexpr int kDepth = 32;
constexpr int kPitch = kDepth + 8;      // an odd number of 16 bytes: no bank conflicts
constexpr int kExtraPitch = kRows + 4;  // floats
constexpr int kVector = 4;              // outputs of a thread that lie together

// Row i of a block's tile as one of the slab, or -1 beyond its end.
__device__ __forceinline__ int TileRow(const CudaInt8Slab& slab, int i) {
  if (!IsGate(slab.product.epilogue)) {
    const int row = blockIdx.x * kRows + i;
    return row < slab.row_count ? row : -1;
  }
  const int half = slab.row_count / 2;
  const int row = blockIdx.x * (kRows / 2) + i % (kRows / 2);
  return row < half ? row + i / (kRows / 2) * half : -1;
}

// Fills values [kTokens, kPitch] and weights [kRows, kPitch] with kDepth columns from `base` on of
// those that have been gathered.
__device__ __forceinline__ void LoadFew(const CudaInt8Slab& slab, int base, half* values,
                                        half* weights) {
  constexpr int kVectors = kDepth / 8;
  for (int i = threadIdx.x; i < (kTokens + kRows) * kVectors; i += kThreads) {
    const int row = i / kVectors;
    const int k = i % kVectors * 8;
    const bool of_token = row < kTokens;
    const int token = blockIdx.y * kTokens + row;
    const int at =
        of_token ? (token < slab.product.tokens ? token : -1) : TileRow(slab, row - kTokens);
    const half* const from = of_token ? slab.few_values : slab.few_weights;
    uint4 eight = make_uint4(0, 0, 0, 0);
    if (at >= 0) {
      eight = *reinterpret_cast<const uint4*>(from + (int64_t)at * kInt8FewColumns + base + k);
    }
    half* const to = of_token ? values + row * kPitch : weights + (row - kTokens) * kPitch;
    *reinterpret_cast<uint4*>(to + k) = eight;
  }
}

// Sixteen values of a row that begins at `from`, or those before its end.
template <typename T>
struct alignas(16) Piece {
  T elements[16 / sizeof(T)];
};
template <typename T>
__device__ __forceinline__ Piece<T> LoadPiece(const T* row, int column, int cols, bool vectors) {
  if (vectors) return *reinterpret_cast<const Piece<T>*>(row + column);
  Piece<T> piece = {};
#pragma unroll
  for (int i = 0; i < (int)(16 / sizeof(T)); ++i) {
    if (column + i < cols) piece.elements[i] = row[column + i];
  }
  return piece;
}

// The same of the columns from `base` on, of which those in `mask` are outliers. A thread takes
// eight values of a token and sixteen codes of a row.
__device__ __forceinline__ void LoadUnion(const CudaInt8Slab& slab, int base, uint32_t mask,
                                          half* values, half* weights) {
  static_assert(kThreads == kTokens * kDepth / 8 && kThreads == kRows * kDepth / 16, "one each");
  const int cols = slab.product.cols;
  const bool vectors = cols % 32 == 0;
  const int in_tile = threadIdx.x / 4;
  const int token = min(blockIdx.y * kTokens + in_tile, slab.product.tokens - 1);
  const int k = threadIdx.x % 4 * 8;
  Piece<half> x = {};
  if (KeepsValues(slab.x, slab.options, token)) {
    x = LoadPiece(slab.x.values + (int64_t)token * cols, base + k, cols, vectors);
  }
  const int row_in_tile = threadIdx.x / 2;
  const int code_k = threadIdx.x % 2 * 16;
  const int in_slab = TileRow(slab, row_in_tile);
  const int row = SlabRow(slab, in_slab < 0 ? 0 : in_slab);
  const Piece<int8_t> codes =
      LoadPiece(slab.weights.codes + (int64_t)row * cols, base + code_k, cols, vectors);
  const float scb = slab.weights.scb[row];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float value = __half2float(x.elements[i]);
    const bool outlier = slab.options.per_batch ? (mask >> (k + i) & 1) != 0
                                                : fabsf(value) >= slab.options.threshold;
    values[in_tile * kPitch + k + i] = outlier ? x.elements[i] : __float2half_rn(0.0f);
  }
#pragma unroll
  for (int i = 0; i < 16; i += 2) {
    *reinterpret_cast<half2*>(weights + row_in_tile * kPitch + code_k + i) =
        __floats2half2_rn(OutlierWeight((float)codes.elements[i], scb),
                          OutlierWeight((float)codes.elements[i + 1], scb));
  }
}

// extra [kTokens, kExtraPitch] = the outliers' part of the block's tile. `shared` is used before.
__device__ void MultiplyOutliers(const CudaInt8Slab& slab, bool few, unsigned char* shared,
                                 float* extra) {
  half* const values = reinterpret_cast<half*>(shared);
  half* const weights = values + kTokens * kPitch;
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int token = warp % 4 * 16;
  const int row = warp / 4 * 64;
  // Where a lane's row of the four matrices lies that LoadMatrices takes.
  const int value_at = (token + lane % 16) * kPitch + lane / 16 * 8;
  const int weight_at = (row + lane / 16 * 8 + lane % 8) * kPitch + lane / 8 % 2 * 8;
  const int columns = few ? *slab.x.count : slab.product.cols;
  float sums[8][4] = {};
  for (int base = 0; base < columns; base += kDepth) {
    if (few) {
      LoadFew(slab, base, values, weights);
    } else {
      const uint32_t mask = slab.x.mask[base / 32];
      if (mask == 0) continue;
      LoadUnion(slab, base, mask, values, weights);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDepth; k += 16) {
      uint32_t a[4];
      LoadMatrices(values + value_at + k, a);
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        uint32_t b[4];
        LoadMatrices(weights + weight_at + n * 16 * kPitch + k, b);
        Mma16x8x16<half>(sums[2 * n], a[0], a[1], a[2], a[3], b[0], b[1]);
        Mma16x8x16<half>(sums[2 * n + 1], a[0], a[1], a[2], a[3], b[2], b[3]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int at = (token + lane / 4 + 8 * i) * kExtraPitch + row + 8 * n + lane % 4 * 2;
      *reinterpret_cast<float2*>(extra + at) = make_float2(sums[n][2 * i], sums[n][2 * i + 1]);
    }
  }
  __syncthreads();
}

template <typename T>
struct alignas(kVector * sizeof(T)) Vector {
  T elements[kVector];
};

// to[0, n) = from, at once if it is a whole vector where vectors lie.
template <typename T>
__device__ __forceinline__ void Load(const T* from, int n, bool vectors, Vector<T>* to) {
  if (vectors && n == kVector) {
    *to = *reinterpret_cast<const Vector<T>*>(from);
    return;
  }
#pragma unroll
  for (int j = 0; j < kVector; ++j) to->elements[j] = j < n ? from[j] : T(0.0f);
}
template <typename T>
__device__ __forceinline__ void Store(const Vector<T>& from, int n, bool vectors, T* to) {
  if (vectors && n == kVector) {
    *reinterpret_cast<Vector<T>*>(to) = from;
    return;
  }
#pragma unroll
  for (int j = 0; j < kVector; ++j) {
    if (j < n) to[j] = from.elements[j];
  }
}

// A thread's rows of a tile: kVector that lie together in the slab, and what is to be known of
// them.
struct Rows {
  int in_tile;
  int in_slab;
  float scb[kVector];
  float bias[kVector];
};

__device__ __forceinline__ Rows RowsAt(const CudaInt8Slab& slab, int in_tile, int n) {
  Rows rows;
  rows.in_tile = in_tile;
  rows.in_slab = TileRow(slab, in_tile);
#pragma unroll
  for (int j = 0; j < kVector; ++j) {
    const int row = j < n ? SlabRow(slab, rows.in_slab + j) : -1;
    rows.scb[j] = row < 0 ? 0.0f : slab.weights.scb[row];
    rows.bias[j] = row < 0 ? 0.0f : Int8Bias(slab.product.bias, row);
  }
  return rows;
}

template <typename T>
__global__ void __launch_bounds__(kThreads, 4) Finish(const CudaInt8Slab slab) {
  __shared__ __align__(16) unsigned char shared[kTokens * kExtraPitch * sizeof(float)];
  static_assert(sizeof(shared) >= (kTokens + kRows) * kPitch * sizeof(half), "both fit");
  GridDependencyWait();
  const CudaProduct& p = slab.product;
  const bool gate = IsGate(p.epilogue);
  const CudaInt8Way way = WayOf(slab);
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
  const bool multiplies = way == CudaInt8Way::kFew || way == CudaInt8Way::kUnion;
#else
  const bool multiplies = false;  // PlainUnion has
#endif
  const bool in_memory = way != CudaInt8Way::kNone && !multiplies;
  float* const extra = reinterpret_cast<float*>(shared);
  if (multiplies) MultiplyOutliers(slab, way == CudaInt8Way::kFew, shared, extra);

  const int width = gate ? kRows / 2 : kRows;
  const int threads = width / kVector;  // that a token's outputs take
  const int column = threadIdx.x % threads * kVector;
  const int all = gate ? slab.row_count / 2 : slab.row_count;
  const int n = min(kVector, all - (int)blockIdx.x * width - column);
  if (n <= 0) return;
  const Rows rows = RowsAt(slab, column, n);
  const Rows ups = gate ? RowsAt(slab, width + column, n) : rows;
  const bool vectors = slab.row_count % 8 == 0;
  const int out_cols = gate ? p.rows / 2 : p.rows;
  const int64_t out_row = slab.first_row + blockIdx.x * width + column;
  const bool out_vectors = out_cols % kVector == 0 && slab.first_row % kVector == 0;
  const auto products = [&](int token, const Rows& of, float(&out)[kVector]) {
    const int64_t at = (int64_t)token * slab.row_count + of.in_slab;
    Vector<int32_t> sums;
    Load(slab.sums + at, n, vectors, &sums);
    Vector<float> more = {};
    if (in_memory) {
      Load(slab.extra + at, n, vectors, &more);
    } else if (multiplies) {
      const float* const from = extra + (token - (int)blockIdx.y * kTokens) * kExtraPitch;
      more = *reinterpret_cast<const Vector<float>*>(from + of.in_tile);
    }
    const float absmax = slab.x.absmax[token];
#pragma unroll
    for (int j = 0; j < kVector; ++j) {
      out[j] = Int8Element(sums.elements[j], absmax, of.scb[j], of.bias[j], more.elements[j]);
    }
  };
  const int end = min(p.tokens, ((int)blockIdx.y + 1) * kTokens);
#pragma unroll 2
  for (int token = blockIdx.y * kTokens + threadIdx.x / threads; token < end;
       token += kThreads / threads) {
    const int64_t at = token * (int64_t)out_cols + out_row;
    float values[kVector];
    products(token, rows, values);
    if (p.float_out) {
      Vector<float> result;
#pragma unroll
      for (int j = 0; j < kVector; ++j) result.elements[j] = values[j];
      Store(result, n, out_vectors, static_cast<float*>(p.out) + at);
      continue;
    }
    T* const out = static_cast<T*>(p.out) + at;
    Vector<T> result;
    if (gate) {
      float up[kVector];
      products(token, ups, up);
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        result.elements[j] = GateElement<T>(p.epilogue, values[j], up[j]);
      }
    } else {
      Vector<T> old = {};
      if (p.epilogue == CudaEpilogue::kAddTo) Load(out, n, out_vectors, &old);
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        result.elements[j] = p.epilogue == CudaEpilogue::kAddTo
                                 ? FromFloat<T>(ToFloat(old.elements[j]) + Round<T>(values[j]))
                                 : FromFloat<T>(values[j]);
      }
    }
    Store(result, n, out_vectors, out);
  }
}

}  // namespace

cudaError_t Int8Finish(const CudaInt8Slab& slab, cudaStream_t stream) {
  const dim3 grid((slab.row_count + kRows - 1) / kRows,
                  (slab.product.tokens + kTokens - 1) / kTokens);
  return DispatchType(slab.product.type, [&](auto element) {
    return LaunchPdl(Finish<decltype(element)>, grid, dim3(kThreads), 0, stream, slab);
  });
}

}  // namespace gantry
