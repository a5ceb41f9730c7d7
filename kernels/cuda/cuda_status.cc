#include "kernels/cuda/cuda_status.h"

#include "absl/strings/str_cat.h"

namespace gantry {

absl::Status CudaStatus(cudaError_t error, absl::string_view what) {
  if (error == cudaSuccess) return absl::OkStatus();
  // So that the next call does not report it again.
  cudaGetLastError();
  int device = -1;
  cudaGetDevice(&device);
  const std::string text =
      absl::StrCat("cuda:", device, ": ", what, ": ", cudaGetErrorString(error));
  if (error == cudaErrorMemoryAllocation) return absl::ResourceExhaustedError(text);
  if (error == cudaErrorNoKernelImageForDevice) {
    return absl::FailedPreconditionError(
        absl::StrCat(text,
                     "; this program was built for other compute capabilities: configure it "
                     "with -DCMAKE_CUDA_ARCHITECTURES=native on this machine"));
  }
  return absl::InternalError(absl::StrCat(text, "; start the worker again"));
}

absl::Status CublasStatus(cublasStatus_t status, absl::string_view what) {
  if (status == CUBLAS_STATUS_SUCCESS) return absl::OkStatus();
  const std::string text = absl::StrCat("cuBLAS: ", what, ": ", cublasGetStatusString(status));
  if (status == CUBLAS_STATUS_ALLOC_FAILED) return absl::ResourceExhaustedError(text);
  return absl::InternalError(absl::StrCat(text, "; start the worker again"));
}

}  // namespace gantry
