#ifndef GANTRY_KERNELS_CUDA_GATHER_ROWS_H_
#define GANTRY_KERNELS_CUDA_GATHER_ROWS_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/step.h"

namespace gantry {

// to[i] = from[rows[i]] for i < count, each [features], converted from from_type to to_type: an
// embedding with step.token_ids, or rows for the logits with step.logit_rows. Indices must be
// valid; from and to do not overlap.
cudaError_t LaunchGatherRows(CudaType from_type, const void* from, const int32_t* rows, int count,
                             int features, CudaType to_type, void* to, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_GATHER_ROWS_H_
