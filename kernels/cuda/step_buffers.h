#ifndef GANTRY_KERNELS_CUDA_STEP_BUFFERS_H_
#define GANTRY_KERNELS_CUDA_STEP_BUFFERS_H_

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "kernels/cuda/cuda_buffer.h"
#include "kernels/cuda/step.h"

namespace gantry {

// Carries the layouts of steps to the device, each in one copy, always to the same place.
class StepBuffers {
 public:
  // The most of everything that a layout may hold.
  struct Capacity {
    int64_t rows = 0;
    int64_t slices = 0;
    int64_t blocks = 0;
    int64_t logit_rows = 0;
    int64_t ropes = 0;
    int64_t half_rotary = 0;
  };

  ~StepBuffers();
  // Makes room; true if the place has changed. Waits for the device.
  absl::StatusOr<bool> Reserve(const StepLayout& layout);
  absl::StatusOr<bool> Reserve(const Capacity& capacity);
  size_t bytes() const { return device_ == nullptr ? 0 : device_->bytes(); }

  // Enqueues the copy. Requires room, and that the copy before this one is over.
  absl::Status Upload(const StepLayout& layout, cudaStream_t stream);
  const DeviceStep& step() const { return step_; }
  // Enqueues the way back of step().non_finite: it is in non_finite() when the stream has come so
  // far.
  absl::Status FetchNonFinite(cudaStream_t stream);
  const int32_t* non_finite() const;  // [rows], on the host

 private:
  absl::Status Allocate();
  // Where host_ has what is there on the device.
  char* HostPlace(const void* on_device) const;

  Capacity capacity_;
  DeviceStep step_;
  std::unique_ptr<CudaBuffer> device_;
  char* host_ = nullptr;  // pinned, of the same layout as what is copied
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_STEP_BUFFERS_H_
