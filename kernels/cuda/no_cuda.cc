#include "absl/strings/str_cat.h"
#include "kernels/cuda/cuda_backend.h"

namespace gantry {
namespace {

absl::Status WithoutCuda(int device) {
  return absl::UnimplementedError(
      absl::StrCat("cuda:", device, ": this program was built without CUDA; install the CUDA ",
                   "Toolkit (nvcc), build again with -DGANTRY_CUDA=ON, or take --device=cpu"));
}

}  // namespace

absl::StatusOr<CudaDeviceInfo> DescribeCudaDevice(int device) { return WithoutCuda(device); }

absl::StatusOr<std::unique_ptr<Backend>> MakeCudaBackend(int device) { return WithoutCuda(device); }

}  // namespace gantry
