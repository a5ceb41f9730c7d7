#ifndef GANTRY_KERNELS_CUDA_CUDA_SAMPLER_H_
#define GANTRY_KERNELS_CUDA_CUDA_SAMPLER_H_

#include <cuda_runtime.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "kernels/cuda/cuda_buffer.h"
#include "kernels/sampling.h"

namespace gantry {

// Backend::Sample on a GPU: the device looks through the rows, the host chooses from what it found,
// and takes a whole row only where that does not decide.
class CudaSampler {
 public:
  ~CudaSampler();
  // Waits for the device.
  absl::Status Sample(const float* logits, int64_t vocab, absl::Span<const SampleRequest> requests,
                      cudaStream_t stream, std::vector<SampleResult>* results);
  size_t bytes() const;

 private:
  // Makes room on both sides.
  absl::Status Reserve(size_t input_bytes, size_t output_bytes, size_t workspace_bytes);

  std::unique_ptr<CudaBuffer> input_;   // jobs, then penalties, then masks
  std::unique_ptr<CudaBuffer> output_;  // outcomes, then shortlists
  std::unique_ptr<CudaBuffer> workspace_;
  std::optional<bool> lists_;  // SupportsShortlist
  char* host_ = nullptr;       // pinned; for input, then output
  size_t host_bytes_ = 0;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CUDA_SAMPLER_H_
