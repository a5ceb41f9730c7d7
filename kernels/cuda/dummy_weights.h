#ifndef GANTRY_KERNELS_CUDA_DUMMY_WEIGHTS_H_
#define GANTRY_KERNELS_CUDA_DUMMY_WEIGHTS_H_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/step.h"

namespace gantry {

// Elements [first, first + count) of the weights that base/dummy_weights.h describes, equal bit for
// bit to those made on the host and rounded to `type`.
cudaError_t LaunchDummyWeights(uint64_t stream_of_weights, float mean, int64_t first, int64_t count,
                               CudaType type, void* out, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_DUMMY_WEIGHTS_H_
