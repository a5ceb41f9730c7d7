#ifndef GANTRY_KERNELS_CUDA_PACKED_ROWS_CUH_
#define GANTRY_KERNELS_CUDA_PACKED_ROWS_CUH_

#include <cuda_runtime.h>

namespace gantry {

// The weight's row that is row p of a tile of 16, in the order of four_bit.h. It lies beyond the
// weight where that does not fill its last tile.
__device__ __forceinline__ int PackedRow(int rows, bool gated, int tile, int p) {
  return gated ? tile * 8 + p % 8 + (p < 8 ? 0 : rows / 2) : tile * 16 + p;
}

// Elements from one row of a tile's partial sums, [16, tokens], to the next: odd, so that rows lie
// in different banks.
__host__ __device__ constexpr int PartialWidth(int tokens) { return tokens | 1; }

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_PACKED_ROWS_CUH_
