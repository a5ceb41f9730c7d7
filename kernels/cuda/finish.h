#ifndef GANTRY_KERNELS_CUDA_FINISH_H_
#define GANTRY_KERNELS_CUDA_FINISH_H_

#include <cuda_runtime.h>

#include "kernels/cuda/product.h"

namespace gantry {

// What follows a product that a library made of some rows of the weight: sums [tokens, row_count]
// of sums_type hold rows [first_row, first_row + row_count); bias, epilogue and rounding are done
// here. For a gate, row_count is even: with `interleaved` the rows are in the order of four_bit.h,
// eight of the gate and eight of the up-projection in turn, from row first_row / 2 of each half on;
// otherwise row_count / 2 rows of the gate from first_row on, then as many of the up-projection.
cudaError_t FinishProduct(const CudaProduct& product, CudaType sums_type, const void* sums,
                          int first_row, int row_count, bool interleaved, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_FINISH_H_
