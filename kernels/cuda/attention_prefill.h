#ifndef GANTRY_KERNELS_CUDA_ATTENTION_PREFILL_H_
#define GANTRY_KERNELS_CUDA_ATTENTION_PREFILL_H_

#include <cuda_runtime.h>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/step.h"

namespace gantry {

// Attention of the rows of all slices that are longer than one row, whose k and v are in the cache:
// where it TakesTensorCores. Sums run over positions in an
// order that does not depend on how a prompt is cut.
cudaError_t LaunchPrefill(const DeviceStep& step, const CudaAttention& attention,
                          cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_ATTENTION_PREFILL_H_
