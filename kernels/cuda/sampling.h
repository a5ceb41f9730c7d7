#ifndef GANTRY_KERNELS_CUDA_SAMPLING_H_
#define GANTRY_KERNELS_CUDA_SAMPLING_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/sampling_jobs.h"

namespace gantry {

// All pointers are to device memory.
struct CudaSampling {
  const float* logits = nullptr;  // [rows, vocab]
  int64_t vocab = 0;
  const SampleJob* jobs = nullptr;
  int job_count = 0;
  const TokenPenalty* penalties = nullptr;
  // [masks, ceil(vocab / 32)]: token i is bit i % 32 of word i / 32.
  const uint32_t* masks = nullptr;
  int shortlist = 0;                  // tokens listed at most, <= kMostShortlisted
  SampleOutcome* outcomes = nullptr;  // [job_count]
  ShortlistToken* listed = nullptr;   // [job_count, shortlist]
  void* workspace = nullptr;          // SampleWorkspaceBytes, whatever it holds
};

inline constexpr int64_t kMostSampledVocab = 786432;
bool SupportsSampling(int64_t vocab);
// Whether the current device has the shared memory for shortlists; those of 7.5 do not.
bool SupportsShortlist();

// Does not depend on the number of jobs.
size_t SampleWorkspaceBytes(int64_t vocab);

// Fills outcomes and the shortlists of those jobs that want one.
cudaError_t LaunchSampling(const CudaSampling& sampling, cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_SAMPLING_H_
