#include "kernels/cuda/int8_outlier.cuh"
#include "kernels/cuda/int8_slab.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

// Gathers few columns of the slab's rows and then of `tokens` tokens.
__device__ void GatherFew(const CudaInt8Slab& slab, int tokens) {
  const int cols = slab.product.cols;
  const int count = *slab.x.count;
  const int depth = FewDepth(count);
  const int all = (slab.row_count + tokens) * depth;
#pragma unroll 2
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < all; i += gridDim.x * blockDim.x) {
    const int k = i % depth;
    const int row = i / depth;
    const int column = k < count ? slab.x.columns[k] : -1;
    if (row < slab.row_count) {
      const float value =
          column < 0 ? 0.0f : OutlierWeight(slab.weights, SlabRow(slab, row), column);
      slab.few_weights[(int64_t)row * kInt8FewColumns + k] = __float2half_rn(value);
    } else {
      const int token = row - slab.row_count;
      const bool kept = column >= 0 && KeepsValues(slab.x, slab.options, token);
      const float value = kept ? OutlierValue(slab.x, cols, slab.options, token, column) : 0.0f;
      slab.few_values[(int64_t)token * kInt8FewColumns + k] = __float2half_rn(value);
    }
  }
}

constexpr int kThreads = 1024;

// kRows weights of one column.
template <int kRows>
struct alignas(2 * kRows) Column {
  half2 pairs[kRows / 2];
};

// Each token with its own outliers: a block has kRows rows of the weight, from `first` on, in
// shared memory, for which every outlier reads one place; a thread sums those of a token, in
// ascending order.
template <int kRows>
__device__ void MultiplyEachToken(const CudaInt8Slab& slab, int first, Column<kRows>* weights) {
  const int cols = slab.product.cols;
  const int tokens = slab.product.tokens;
  const int8_t* codes[kRows];
  float scb[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int row = SlabRow(slab, min(first + r, slab.row_count - 1));
    codes[r] = slab.weights.codes + (int64_t)row * cols;
    scb[r] = slab.weights.scb[row];
  }
  const auto put = [&](int column, const char(&code)[kRows]) {
    Column<kRows> values;
#pragma unroll
    for (int r = 0; r < kRows; r += 2) {
      values.pairs[r / 2] =
          __floats2half2_rn(OutlierWeight((float)(int8_t)code[r], scb[r]),
                            OutlierWeight((float)(int8_t)code[r + 1], scb[r + 1]));
    }
    weights[column] = values;
  };
  const int vectors = cols % 4 == 0 ? cols / 4 : 0;
  for (int i = threadIdx.x; i < vectors; i += kThreads) {
    char4 four[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) four[r] = reinterpret_cast<const char4*>(codes[r])[i];
    char code[4][kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      code[0][r] = four[r].x, code[1][r] = four[r].y, code[2][r] = four[r].z,
      code[3][r] = four[r].w;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) put(4 * i + j, code[j]);
  }
  for (int column = 4 * vectors + threadIdx.x; column < cols; column += kThreads) {
    char code[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) code[r] = codes[r][column];
    put(column, code);
  }
  __syncthreads();
  for (int token = threadIdx.x; token < tokens; token += kThreads) {
    const int count = slab.x.token_counts[token];
    const uint32_t* const packed = slab.x.token_outliers + token;
    float sums[kRows] = {};
#pragma unroll 8
    for (int i = 0; i < count; ++i) {
      const uint32_t outlier = packed[(int64_t)i * tokens];
      const float value = OutlierValue(outlier);
      const Column<kRows> column = weights[OutlierColumn(outlier)];
#pragma unroll
      for (int r = 0; r < kRows; r += 2) {
        const float2 pair = __half22float2(column.pairs[r / 2]);
        sums[r] = fmaf(value, pair.x, sums[r]);
        sums[r + 1] = fmaf(value, pair.y, sums[r + 1]);
      }
    }
    float* const to = slab.extra + (int64_t)token * slab.row_count + first;
    if (kRows == 4 && slab.row_count % 4 == 0) {
      *reinterpret_cast<float4*>(to) =
          make_float4(sums[0], sums[1], sums[kRows - 2], sums[kRows - 1]);
    } else {
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        if (first + r < slab.row_count) to[r] = sums[r];
      }
    }
  }
}

template <int kRows>
__global__ void __launch_bounds__(kThreads) Outliers(const CudaInt8Slab slab, int gathered_tokens) {
  extern __shared__ __align__(16) unsigned char shared[];
  GridDependencyWait();
  const CudaInt8Way way = WayOf(slab);
  if (way == CudaInt8Way::kFew) GatherFew(slab, gathered_tokens);
  if (way != CudaInt8Way::kEachToken) return;
  for (int first = blockIdx.x * kRows; first < slab.row_count; first += gridDim.x * kRows) {
    MultiplyEachToken<kRows>(slab, first, reinterpret_cast<Column<kRows>*>(shared));
    __syncthreads();
  }
}

// The union an element a thread, where there are no tensor cores for it.
__global__ void PlainUnion(const CudaInt8Slab slab) {
  GridDependencyWait();
  const CudaInt8Way way = WayOf(slab);
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const int token = blockIdx.y;
  if (way == CudaInt8Way::kNone || way == CudaInt8Way::kEachToken || i >= slab.row_count) return;
  const int row = SlabRow(slab, i);
  const int words = (slab.product.cols + 31) / 32;
  float sum = 0;
  for (int k = 0; k < words && KeepsValues(slab.x, slab.options, token); ++k) {
    for (uint32_t word = slab.x.mask[k]; word != 0; word &= word - 1) {
      const int column = k * 32 + __ffs(word) - 1;
      sum = fmaf(OutlierValue(slab.x, slab.product.cols, slab.options, token, column),
                 OutlierWeight(slab.weights, row, column), sum);
    }
  }
  slab.extra[(int64_t)token * slab.row_count + i] = sum;
}

// Rows that a block of EachToken takes: as many as shared memory has place for, or 0.
int TokenRows(int cols, const CudaDevice& device) {
  for (const int rows : {4, 2}) {
    if (cols <= 1 << 16 && (int64_t)cols * rows * (int)sizeof(half) <= device.shared_bytes) {
      return rows;
    }
  }
  return 0;
}

template <int kRows>
cudaError_t Launch(const CudaInt8Slab& slab, const CudaDevice& device, cudaStream_t stream) {
  const bool each_token = slab.x.token_outliers != nullptr;
  const int shared = each_token ? slab.product.cols * (int)sizeof(Column<kRows>) : 0;
  const cudaError_t allowed =
      cudaFuncSetAttribute(Outliers<kRows>, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
  if (allowed != cudaSuccess) return allowed;
  return LaunchPdl(Outliers<kRows>, dim3(device.multiprocessors), dim3(kThreads), shared, stream,
                   slab, slab.first_row == 0 ? slab.product.tokens : 0);
}

}  // namespace

bool Int8MultipliesEachToken(int cols, const CudaDevice& device) {
  return TokenRows(cols, device) > 0;
}

cudaError_t Int8Outliers(const CudaInt8Slab& slab, const CudaDevice& device, cudaStream_t stream) {
  if (slab.options.threshold <= 0) return cudaSuccess;
  if (device.compute_capability < 80) {
    const dim3 grid((slab.row_count + 127) / 128, slab.product.tokens);
    const cudaError_t error = LaunchPdl(PlainUnion, grid, dim3(128), 0, stream, slab);
    if (error != cudaSuccess || slab.x.token_outliers == nullptr) return error;
  }
  return TokenRows(slab.product.cols, device) == 4 ? Launch<4>(slab, device, stream)
                                                   : Launch<2>(slab, device, stream);
}

}  // namespace gantry
