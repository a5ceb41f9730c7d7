#ifndef GANTRY_KERNELS_CUDA_FOUR_BIT_SCALES_CUH_
#define GANTRY_KERNELS_CUDA_FOUR_BIT_SCALES_CUH_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/four_bit.h"
#include "kernels/cuda/packed_rows.cuh"

namespace gantry {

// The tensor that a packed row comes from, and the row's first block in it.
struct NestedRow {
  const float* absmax;
  int64_t first_block;
  float offset;
};

// A row beyond the weight, whose products nobody reads, gets the last row's scales.
__device__ __forceinline__ NestedRow FindNestedRow(const FourBitWeights& w, int tile, int p) {
  const int row = min(PackedRow(w.rows, w.gated, tile, p), w.rows - 1);
  int part = 0;
  while (part + 1 < w.nested.parts && row >= w.nested.first_row[part + 1]) ++part;
  return {w.nested.absmax[part], (int64_t)(row - w.nested.first_row[part]) * (w.cols / 64),
          w.nested.offset[part]};
}

// NestedScales' formula: product, then sum.
__device__ __forceinline__ float NestedScale(const NestedRow& row, const float* map, int code,
                                             int block) {
  return __fadd_rn(__fmul_rn(map[code], __ldg(row.absmax + ((row.first_block + block) >> 8))),
                   row.offset);
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_FOUR_BIT_SCALES_CUH_
