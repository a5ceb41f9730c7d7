#ifndef GANTRY_KERNELS_CUDA_ATTENTION_STORE_H_
#define GANTRY_KERNELS_CUDA_ATTENTION_STORE_H_

#include <cuda_runtime.h>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/step.h"

namespace gantry {

// Stores rotated k, and v, of every row of the step at its position.
cudaError_t LaunchAttentionStore(const DeviceStep& step, const CudaAttention& attention,
                                 cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_ATTENTION_STORE_H_
