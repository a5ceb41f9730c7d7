#ifndef GANTRY_KERNELS_CUDA_INT8_SLAB_H_
#define GANTRY_KERNELS_CUDA_INT8_SLAB_H_

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/int8.h"
#include "kernels/cuda/product.h"

namespace gantry {

// Products of many tokens: a library sums integers over a slab of the weight's rows, and what
// follows is here.
struct CudaInt8Slab {
  CudaInt8Weights weights;
  CudaInt8Activations x;
  CudaInt8Options options;
  CudaProduct product;  // product.x and its norm are not looked at
  // Rows [first_row, first_row + row_count) of the weight; for a gate row_count is even, and they
  // are row_count / 2 of its rows from first_row on, then as many of the up-projection.
  int first_row = 0;
  int row_count = 0;
  const int32_t* sums = nullptr;  // [tokens, row_count]: the product of integers
  // Scratch for outliers.
  half* few_values = nullptr;   // [tokens, kInt8FewColumns]
  half* few_weights = nullptr;  // [row_count, kInt8FewColumns]
  float* extra = nullptr;       // [tokens, row_count]
};

// sums = x W^T for any shape, where no library takes it: x [tokens, cols], codes [rows, cols], rows
// of sums `stride` apart.
cudaError_t Int8Sums(const int8_t* codes, int rows, const int8_t* x, int tokens, int cols,
                     int32_t* sums, int stride, cudaStream_t stream);

// Whether a device can multiply each token with its own outliers (CudaInt8Way::kEachToken) in rows
// of so many columns.
bool Int8MultipliesEachToken(int cols, const CudaDevice& device);

// Makes ready what Int8Finish adds for outliers: of few columns their values, gathered, and of
// tokens with few outliers their part of the product. Values of activations are gathered with the
// slab that begins at row 0.
cudaError_t Int8Outliers(const CudaInt8Slab& slab, const CudaDevice& device, cudaStream_t stream);

// out = epilogue(product + bias) from the slab's sums, its outliers included.
cudaError_t Int8Finish(const CudaInt8Slab& slab, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_SLAB_H_
