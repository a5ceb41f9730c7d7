#ifndef GANTRY_KERNELS_CUDA_CUDA_BUFFER_H_
#define GANTRY_KERNELS_CUDA_CUDA_BUFFER_H_

#include <cuda_runtime.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "kernels/backend.h"
#include "kernels/cuda/cuda_status.h"

namespace gantry {

// Memory of the current device. Waits for the device when it is freed.
class CudaBuffer : public Buffer {
 public:
  static absl::StatusOr<std::unique_ptr<CudaBuffer>> Allocate(size_t bytes) {
    void* data = nullptr;
    const cudaError_t error = cudaMalloc(&data, bytes == 0 ? 1 : bytes);
    if (error != cudaSuccess) {
      size_t free = 0;
      size_t total = 0;
      cudaGetLastError();
      cudaMemGetInfo(&free, &total);
      return CudaStatus(error, absl::StrCat("allocating ", FormatBytes(bytes), " of ",
                                            FormatBytes(free), " that are free"));
    }
    return std::unique_ptr<CudaBuffer>(new CudaBuffer(data, bytes));
  }
  ~CudaBuffer() override { cudaFree(data_); }

 private:
  CudaBuffer(void* data, size_t bytes) : Buffer(data, bytes) {}
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CUDA_BUFFER_H_
