#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/int8.h"
#include "kernels/cuda/int8_finish.cuh"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/reduce.cuh"

namespace gantry {
namespace {

// What is to be known of a product whose integers lie in memory.
struct Slab {
  CudaInt8Weights weights;
  CudaInt8Activations x;
  CudaInt8Options options;
  CudaProduct product;
};

// One element a thread of a slab of products that lie in memory.
template <typename T>
__global__ void FinishSlab(const Slab slab, const int32_t* sums, const float* extra, int first_row,
                           int row_count) {
  GridDependencyWait();
  const CudaProduct& p = slab.product;
  const bool gate = IsGate(p.epilogue);
  const int width = gate ? row_count / 2 : row_count;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const int token = blockIdx.y;
  if (i >= width) return;
  const bool any_outliers = slab.options.threshold > 0 && *slab.x.count > 0;
  const int row = first_row + i;
  const auto element = [&](int at, int of_row) {
    const int64_t from = (int64_t)token * row_count + at;
    return Int8Element(slab.weights, slab.x, p.bias, token, of_row, sums[from],
                       any_outliers ? extra[from] : 0.0f);
  };
  if (gate) {
    const int half_rows = p.rows / 2;
    static_cast<T*>(p.out)[(int64_t)token * half_rows + row] =
        GateElement<T>(p.epilogue, element(i, row), element(width + i, half_rows + row));
  } else {
    StoreElement<T>(p, (int64_t)token * p.rows + row, element(i, row));
  }
}

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

template <typename T>
cudaError_t LaunchSlab(const Slab& slab, const int32_t* sums, const float* extra, int first_row,
                       int row_count, cudaStream_t stream) {
  const int width = IsGate(slab.product.epilogue) ? row_count / 2 : row_count;
  return LaunchPdl(FinishSlab<T>, dim3((width + 255) / 256, slab.product.tokens), dim3(256), 0,
                   stream, slab, sums, extra, first_row, row_count);
}

}  // namespace

cudaError_t Int8Sums(const int8_t* codes, int rows, const int8_t* x, int tokens, int cols,
                     int32_t* sums, int stride, cudaStream_t stream) {
  return LaunchPdl(Sums, dim3((rows + 7) / 8, tokens), dim3(256), 0, stream, codes, rows, x, cols,
                   sums, stride);
}

cudaError_t Int8Finish(const CudaInt8Weights& weights, const CudaInt8Activations& x,
                       const CudaInt8Options& options, const CudaProduct& product,
                       const int32_t* sums, const float* extra, int first_row, int row_count,
                       cudaStream_t stream) {
  const Slab slab = {weights, x, options, product};
  return DispatchType(product.type, [&](auto element) {
    return LaunchSlab<decltype(element)>(slab, sums, extra, first_row, row_count, stream);
  });
}

}  // namespace gantry
