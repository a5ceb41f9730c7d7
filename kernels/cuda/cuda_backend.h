#ifndef GANTRY_KERNELS_CUDA_CUDA_BACKEND_H_
#define GANTRY_KERNELS_CUDA_CUDA_BACKEND_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/backend.h"

namespace gantry {

// What a GPU is.
struct CudaDeviceInfo {
  std::string name;  // "NVIDIA H200"
  int major = 0;     // compute capability
  int minor = 0;
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
  double read_bytes_per_s = 0;  // measured
};

// Opens GPU `device` and measures it. UNIMPLEMENTED in a build without CUDA, NOT_FOUND when there
// is no such GPU, FAILED_PRECONDITION for one below compute capability 7.5.
absl::StatusOr<CudaDeviceInfo> DescribeCudaDevice(int device);
absl::StatusOr<std::unique_ptr<Backend>> MakeCudaBackend(int device);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CUDA_BACKEND_H_
