#ifndef GANTRY_KERNELS_CUDA_INT8_SLAB_CUH_
#define GANTRY_KERNELS_CUDA_INT8_SLAB_CUH_

#include "kernels/cuda/int8_slab.h"

namespace gantry {

// The weight's row that row i of a slab is.
__device__ __forceinline__ int SlabRow(const CudaInt8Slab& slab, int i) {
  if (!IsGate(slab.product.epilogue)) return slab.first_row + i;
  const int half = slab.row_count / 2;
  return slab.first_row + (i < half ? i : slab.product.rows / 2 + i - half);
}

// How the step's outliers are multiplied.
__device__ __forceinline__ CudaInt8Way WayOf(const CudaInt8Slab& slab) {
  return slab.options.threshold > 0 ? *slab.x.way : CudaInt8Way::kNone;
}

// Columns of few_values and few_weights that are written, the last ones with zeros.
__device__ __forceinline__ int FewDepth(int count) { return (count + 31) / 32 * 32; }

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_SLAB_CUH_
