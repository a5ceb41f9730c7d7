#ifndef GANTRY_KERNELS_CUDA_ATTENTION_DECODE_H_
#define GANTRY_KERNELS_CUDA_ATTENTION_DECODE_H_

#include <cuda_runtime.h>

#include <cstddef>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/step.h"

namespace gantry {

// Which rows attend by themselves, each by blocks that split what it sees.
enum class DecodeRows {
  kAll,     // all of the step; their k and v are in the cache
  kNew,     // all of the step, whose slices are single rows; k and v are stored on the way
  kSingle,  // those that are alone in their slice; their k and v are in the cache
};

// Attention of single rows where it TakesTensorCores.
cudaError_t LaunchTensorDecode(const DeviceStep& step, const CudaAttention& attention,
                               DecodeRows rows, cudaStream_t stream);

// The same without tensor cores, for all types.
cudaError_t LaunchPlainDecode(const DeviceStep& step, const CudaAttention& attention,
                              DecodeRows rows, cudaStream_t stream);

size_t DecodeWorkspaceBytes(const CudaAttention& attention, int context_bound);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_ATTENTION_DECODE_H_
