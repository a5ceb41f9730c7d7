#include "kernels/cuda/cuda_device.h"

#include <cuda_runtime.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/device_info.h"

namespace gantry {
namespace {

constexpr int kLeastCapability = 75;
// Read to measure the bandwidth, or a quarter of what is free.
constexpr size_t kMeasuredBytes = size_t{1} << 30;

}  // namespace

absl::StatusOr<int> CudaCapability(int device) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess && error != cudaErrorNoDevice) {
    return absl::NotFoundError(
        absl::StrCat("cuda:", device, ": ", cudaGetErrorString(error),
                     "; is the NVIDIA driver loaded, and not older than this build's CUDA?"));
  }
  if (device < 0 || device >= count) {
    return absl::NotFoundError(
        absl::StrCat("cuda:", device, ": this machine has ", count, " GPUs"));
  }
  int major = 0;
  int minor = 0;
  GANTRY_RETURN_IF_CUDA_ERROR(
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "asking");
  GANTRY_RETURN_IF_CUDA_ERROR(
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device), "asking");
  const int capability = 10 * major + minor;
  if (capability < kLeastCapability) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cuda:", device, ": expected compute capability 7.5 or more, found ", major, ".", minor));
  }
  return capability;
}

absl::StatusOr<CudaDeviceInfo> DescribeCudaDevice(int device) {
  GANTRY_ASSIGN_OR_RETURN(const int capability, CudaCapability(device));
  GANTRY_RETURN_IF_CUDA_ERROR(cudaSetDevice(device), "opening");
  cudaDeviceProp properties{};
  GANTRY_RETURN_IF_CUDA_ERROR(cudaGetDeviceProperties(&properties, device), "opening");
  CudaDeviceInfo info;
  info.name = properties.name;
  info.major = capability / 10;
  info.minor = capability % 10;
  size_t free = 0;
  size_t total = 0;
  GANTRY_RETURN_IF_CUDA_ERROR(cudaMemGetInfo(&free, &total), "asking for free memory");
  info.free_bytes = free;
  info.total_bytes = total;
  GANTRY_RETURN_IF_CUDA_ERROR(
      MeasureCudaReadBandwidth(std::min(kMeasuredBytes, free / 4), &info.read_bytes_per_s),
      "measuring the memory");
  return info;
}

}  // namespace gantry
