#include "kernels/cuda/int8.h"
#include "kernels/cuda/int8_finish.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/pdl.cuh"

namespace gantry {
namespace {

// A block of four warps takes 64 tokens and 64 rows; a warp 16 tokens and all the rows. Columns are
// gathered 16 at a time.
constexpr int kThreads = 128;
constexpr int kTokens = 64;
constexpr int kRows = 64;
constexpr int kDepth = 16;
constexpr int kStride = kDepth + 8;  // halves, so that rows lie in different banks

__global__ void __launch_bounds__(kThreads)
    Outliers(CudaInt8Weights w, CudaInt8Activations x, CudaInt8Options options, int tokens,
             int first_row, int rows, float* extra, int stride) {
  __shared__ __align__(16) half values[kTokens * kStride];
  __shared__ __align__(16) half weights[kRows * kStride];
  GridDependencyWait();
  const int count = *x.count;
  if (count == 0) return;
  const int row_base = blockIdx.x * kRows;
  const int token_base = blockIdx.y * kTokens;
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int g = lane / 4;
  const int t = lane % 4;
  float sums[kRows / 8][4] = {};
  for (int base = 0; base < count; base += kDepth) {
    for (int i = threadIdx.x; i < kTokens * kDepth; i += kThreads) {
      const int k = i % kDepth;
      const int token = token_base + i / kDepth;
      const int row = row_base + i / kDepth;
      const bool within = base + k < count;
      const int column = within ? x.columns[base + k] : 0;
      const float value =
          within && token < tokens ? OutlierValue(x, w.cols, options, token, column) : 0.0f;
      const float weight = within && row < rows ? OutlierWeight(w, first_row + row, column) : 0.0f;
      values[i / kDepth * kStride + k] = __float2half_rn(value);
      weights[i / kDepth * kStride + k] = __float2half_rn(weight);
    }
    __syncthreads();
    const auto word = [&](const half* from, int row, int k) {
      return *reinterpret_cast<const uint32_t*>(from + row * kStride + k);
    };
    const int token = warp * 16 + g;
    const uint32_t a0 = word(values, token, 2 * t);
    const uint32_t a1 = word(values, token + 8, 2 * t);
    const uint32_t a2 = word(values, token, 2 * t + 8);
    const uint32_t a3 = word(values, token + 8, 2 * t + 8);
#pragma unroll
    for (int n = 0; n < kRows / 8; ++n) {
      Mma16x8x16<half>(sums[n], a0, a1, a2, a3, word(weights, n * 8 + g, 2 * t),
                       word(weights, n * 8 + g, 2 * t + 8));
    }
    __syncthreads();
  }
#pragma unroll
  for (int n = 0; n < kRows / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int token = token_base + warp * 16 + g + i / 2 * 8;
      const int row = row_base + n * 8 + 2 * t + i % 2;
      if (token < tokens && row < rows) extra[(int64_t)token * stride + row] = sums[n][i];
    }
  }
}

// The same an element a thread, where there are no such tensor cores.
__global__ void PlainOutliers(CudaInt8Weights w, CudaInt8Activations x, CudaInt8Options options,
                              int first_row, int rows, float* extra, int stride) {
  GridDependencyWait();
  const int count = *x.count;
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  const int token = blockIdx.y;
  if (count == 0 || row >= rows) return;
  float sum = 0;
  for (int i = 0; i < count; ++i) {
    const int column = x.columns[i];
    sum = fmaf(OutlierValue(x, w.cols, options, token, column),
               OutlierWeight(w, first_row + row, column), sum);
  }
  extra[(int64_t)token * stride + row] = sum;
}

}  // namespace

cudaError_t Int8Outliers(const CudaInt8Weights& weights, const CudaInt8Activations& x,
                         const CudaInt8Options& options, int tokens, int first_row, int rows,
                         float* extra, int stride, int compute_capability, cudaStream_t stream) {
  if (options.threshold <= 0) return cudaSuccess;
  if (compute_capability < 80) {
    return LaunchPdl(PlainOutliers, dim3((rows + 127) / 128, tokens), dim3(128), 0, stream, weights,
                     x, options, first_row, rows, extra, stride);
  }
  return LaunchPdl(Outliers, dim3((rows + kRows - 1) / kRows, (tokens + kTokens - 1) / kTokens),
                   dim3(kThreads), 0, stream, weights, x, options, tokens, first_row, rows, extra,
                   stride);
}

}  // namespace gantry
