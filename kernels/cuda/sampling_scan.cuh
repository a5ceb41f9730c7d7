#ifndef GANTRY_KERNELS_CUDA_SAMPLING_SCAN_CUH_
#define GANTRY_KERNELS_CUDA_SAMPLING_SCAN_CUH_

#include <cfloat>
#include <cstdint>

#include "kernels/cuda/sampling.h"

namespace gantry {

// A row is looked through by up to kMostChunks blocks. Tokens go to them in segments of 32, in
// turn: the likely ones are often neighbours, and each block can keep only so many.
constexpr int kSegment = 32;  // a word of a mask
constexpr int kMostChunks = 64;
constexpr int kKept = 128;       // most candidates for the shortlist that a chunk keeps, and one
constexpr int kJobsAtOnce = 64;  // that share the workspace

using SortKey = unsigned long long;

// What one block found in its chunk.
struct ChunkFinding {
  SortKey best;      // of the scores
  SortKey excluded;  // the best that was not kept for the shortlist; 0: none
  double weights;    // sum of exp((score - best score of the chunk) / temperature)
  double exp_sum;    // sum of exp(logit - max_logit)
  float max_logit;
  int kept;
  int finite;
};

// The workspace: [kJobsAtOnce, kMostChunks] findings, [kJobsAtOnce, kMostChunks, kKept] keys, and
// [kJobsAtOnce, segments] sums of weights, relative to the chunk's best.
struct SampleWorkspace {
  ChunkFinding* findings;
  SortKey* kept;
  double* segment_weights;
};

__host__ __device__ inline int SegmentsOf(int64_t vocab) {
  return static_cast<int>((vocab + kSegment - 1) / kSegment);
}
__host__ __device__ inline int ChunksOf(int64_t vocab) {
  const int segments = SegmentsOf(vocab);
  return segments < kMostChunks ? segments : kMostChunks;
}

__host__ __device__ inline SampleWorkspace SplitWorkspace(void* workspace) {
  SampleWorkspace parts;
  parts.findings = static_cast<ChunkFinding*>(workspace);
  parts.kept = reinterpret_cast<SortKey*>(parts.findings + kJobsAtOnce * kMostChunks);
  parts.segment_weights = reinterpret_cast<double*>(parts.kept + static_cast<size_t>(kJobsAtOnce) *
                                                                     kMostChunks * kKept);
  return parts;
}

// Orders like the scores, with -0 equal to 0.
__device__ __forceinline__ uint32_t Orderable(float score) {
  const uint32_t bits = __float_as_uint(score + 0.0f);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float ScoreOf(SortKey key) {
  const uint32_t bits = static_cast<uint32_t>(key >> 32);
  return __uint_as_float((bits >> 31) != 0 ? bits & 0x7fffffffu : ~bits);
}
// Orders by score, then by descending token: the larger key comes first. Never 0.
__device__ __forceinline__ SortKey KeyOf(uint32_t orderable, int token) {
  return static_cast<SortKey>(orderable) << 32 | ~static_cast<uint32_t>(token);
}
__device__ __forceinline__ int TokenOf(SortKey key) {
  return static_cast<int>(~static_cast<uint32_t>(key));
}

// The score of a logit, rounded step by step as in kernels/sampling.cc.
__device__ __forceinline__ float Penalised(float logit, const SampleJob& job,
                                           const TokenPenalty& penalty) {
  if (penalty.suppressed) return -__builtin_huge_valf();
  float score = logit;
  if (penalty.bias != 0) {
    score = fminf(fmaxf(__fadd_rn(score, penalty.bias), -FLT_MAX), FLT_MAX);
  }
  if (penalty.seen) {
    score = score < 0 ? __fmul_rn(score, job.repetition_penalty)
                      : __fdiv_rn(score, job.repetition_penalty);
    score = fminf(fmaxf(score, -FLT_MAX), FLT_MAX);
  }
  if (penalty.generated > 0) {
    score = __fsub_rn(__fsub_rn(score, job.presence_penalty),
                      __fmul_rn(job.frequency_penalty, static_cast<float>(penalty.generated)));
    score = fminf(fmaxf(score, -FLT_MAX), FLT_MAX);
  }
  return score;
}

// The words of the job's mask, or null: all tokens may be chosen.
__device__ __forceinline__ const uint32_t* MaskOf(const CudaSampling& sampling,
                                                  const SampleJob& job) {
  if (job.mask < 0) return nullptr;
  return sampling.masks + static_cast<size_t>(job.mask) * SegmentsOf(sampling.vocab);
}
// A segment's tokens share a word.
__device__ __forceinline__ bool Allows(const uint32_t* mask, int token) {
  return mask == nullptr || (mask[token / kSegment] >> token % kSegment & 1) != 0;
}

__device__ __forceinline__ double WeightOf(float score, float best, float temperature) {
  return exp((score - static_cast<double>(best)) / temperature);
}

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_SAMPLING_SCAN_CUH_
