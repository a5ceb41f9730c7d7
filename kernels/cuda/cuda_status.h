#ifndef GANTRY_KERNELS_CUDA_CUDA_STATUS_H_
#define GANTRY_KERNELS_CUDA_CUDA_STATUS_H_

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry {

// RESOURCE_EXHAUSTED for memory that is not there, INTERNAL for everything else: most other errors
// leave the process without its device, so they say that the worker is to be started again.
absl::Status CudaStatus(cudaError_t error, absl::string_view what);
absl::Status CublasStatus(cublasStatus_t status, absl::string_view what);

}  // namespace gantry

#define GANTRY_RETURN_IF_CUDA_ERROR(expression, what) \
  do {                                                \
    const cudaError_t cuda_error = (expression);      \
    if (cuda_error != cudaSuccess) {                  \
      return ::gantry::CudaStatus(cuda_error, what);  \
    }                                                 \
  } while (false)

#endif  // GANTRY_KERNELS_CUDA_CUDA_STATUS_H_
