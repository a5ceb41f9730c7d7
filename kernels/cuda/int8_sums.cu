#include "kernels/cuda/int8_slab.h"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {
namespace {

// A warp an element.
__global__ void Sums(const int8_t* codes, int rows, const int8_t* x, int cols, int32_t* sums,
                     int stride) {
  GridDependencyWait();
  const int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  const int64_t token = blockIdx.y;
  if (row >= rows) return;
  int sum = 0;
  for (int k = threadIdx.x % 32; k < cols; k += 32) {
    sum += (int)codes[(int64_t)row * cols + k] * x[token * cols + k];
  }
  sum = WarpSum(sum);
  if (threadIdx.x % 32 == 0) sums[token * stride + row] = sum;
}

}  // namespace

cudaError_t Int8Sums(const int8_t* codes, int rows, const int8_t* x, int tokens, int cols,
                     int32_t* sums, int stride, cudaStream_t stream) {
  return LaunchPdl(Sums, dim3((rows + 7) / 8, tokens), dim3(256), 0, stream, codes, rows, x, cols,
                   sums, stride);
}

}  // namespace gantry
