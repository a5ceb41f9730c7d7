#include "kernels/cuda/sampling.h"

#include "kernels/cuda/pdl.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/sampling_scan.cuh"

namespace gantry {
namespace {

constexpr int kScanThreads = 256;
constexpr int kFinishThreads = 1024;
constexpr int kMostElements = 12288;  // of a chunk: 48 KiB
constexpr size_t kShortlistBytes = kMostChunks * kKept * sizeof(SortKey);
constexpr float kNever = -__builtin_huge_valf();
static_assert(kMostSampledVocab == int64_t{kMostElements} * kMostChunks);

// The chunk that blockIdx.x looks through, of job blockIdx.y.
struct Chunk {
  int chunks;
  int vocab;
  int elements;  // whole segments; the last token of the row may come before their end

  __device__ __forceinline__ int Token(int element) const {
    return ((element / kSegment) * chunks + blockIdx.x) * kSegment + element % kSegment;
  }
};

// The kKept-th largest of the scores' keys: the largest that so many reach.
__device__ uint32_t KeptThreshold(const float* scores, const Chunk& chunk, int* counts) {
  uint32_t threshold = 0;
  for (int bit = 31; bit >= 0; --bit) {
    const uint32_t candidate = threshold | 1u << bit;
    int count = 0;
    for (int e = threadIdx.x; e < chunk.elements; e += kScanThreads) {
      count += chunk.Token(e) < chunk.vocab && Orderable(scores[e]) >= candidate;
    }
    count = WarpSum(count);
    int* round = counts + bit % 2 * (kScanThreads / 32);  // the other round's may still be read
    if (threadIdx.x % 32 == 0) round[threadIdx.x / 32] = count;
    __syncthreads();
    int total = 0;
    for (int w = 0; w < kScanThreads / 32; ++w) total += round[w];
    if (total >= kKept) threshold = candidate;
  }
  return threshold;
}

__global__ void __launch_bounds__(kScanThreads) ScanKernel(CudaSampling sampling, int first_job) {
  extern __shared__ float scores[];  // [elements]
  __shared__ float max_scratch[32];
  __shared__ SortKey key_scratch[32];
  __shared__ double sum_scratch[32];
  __shared__ int counts[2 * kScanThreads / 32];
  __shared__ int kept;

  GridDependencyWait();
  const SampleJob job = sampling.jobs[first_job + blockIdx.y];
  const int vocab = static_cast<int>(sampling.vocab);
  const int segments = SegmentsOf(vocab);
  Chunk chunk;
  chunk.chunks = gridDim.x;
  chunk.vocab = vocab;
  chunk.elements = (segments - blockIdx.x + chunk.chunks - 1) / chunk.chunks * kSegment;
  const float* logits = sampling.logits + static_cast<int64_t>(job.row) * vocab;
  const SampleWorkspace workspace = SplitWorkspace(sampling.workspace);
  const size_t at = static_cast<size_t>(blockIdx.y) * kMostChunks + blockIdx.x;

  bool finite = true;
  float max_logit = kNever;
  for (int e = threadIdx.x; e < chunk.elements; e += kScanThreads) {
    const int token = chunk.Token(e);
    const float logit = token < vocab ? logits[token] : kNever;
    if (token < vocab) finite &= isfinite(logit) != 0;
    scores[e] = logit;
    max_logit = fmaxf(max_logit, logit);
  }
  if (threadIdx.x == 0) kept = 0;
  finite = __syncthreads_and(finite) != 0;
  max_logit = BlockMax(max_logit, max_scratch);
  double exp_sum = 0;
  for (int e = threadIdx.x; e < chunk.elements; e += kScanThreads) {
    exp_sum += expf(scores[e] - max_logit);
  }
  exp_sum = BlockSum(exp_sum, sum_scratch);
  __syncthreads();

  for (int i = threadIdx.x; i < job.penalties; i += kScanThreads) {
    const TokenPenalty penalty = sampling.penalties[job.first_penalty + i];
    const int segment = penalty.token / kSegment;
    if (segment % chunk.chunks != blockIdx.x) continue;
    float& score = scores[segment / chunk.chunks * kSegment + penalty.token % kSegment];
    score = Penalised(score, job, penalty);
  }
  __syncthreads();

  const uint32_t* mask = MaskOf(sampling, job);
  SortKey best = 0;
  for (int e = threadIdx.x; e < chunk.elements; e += kScanThreads) {
    const int token = chunk.Token(e);
    if (token >= vocab) continue;
    if (!Allows(mask, token)) scores[e] = kNever;
    const SortKey key = KeyOf(Orderable(scores[e]), token);
    best = key > best ? key : best;
  }
  best = BlockMax(best, key_scratch);

  double weights = 0;
  if (job.wants_total || job.wants_draw) {
    const float best_score = ScoreOf(best);
    double* out = workspace.segment_weights + static_cast<size_t>(blockIdx.y) * segments;
    for (int e = threadIdx.x; e < chunk.elements; e += kScanThreads) {
      // A chunk may hold no token that can be chosen.
      const double weight =
          scores[e] == kNever ? 0 : WeightOf(scores[e], best_score, job.temperature);
      if (job.wants_draw) {
        const double sum = WarpSum(weight);
        if (e % kSegment == 0) out[chunk.Token(e) / kSegment] = sum;
      }
      weights += weight;
    }
    __syncthreads();
    weights = BlockSum(weights, sum_scratch);
  }

  SortKey excluded = 0;
  if (job.wants_shortlist) {
    SortKey* keys = workspace.kept + at * kKept;
    // Fewer than kKept scores are above the threshold. Those equal to it are left out: which of
    // them come first in the row is not worth knowing.
    const uint32_t threshold = chunk.elements > kKept ? KeptThreshold(scores, chunk, counts) : 0;
    for (int e = threadIdx.x; e < chunk.elements; e += kScanThreads) {
      const int token = chunk.Token(e);
      if (token >= vocab) continue;
      const uint32_t orderable = Orderable(scores[e]);
      const SortKey key = KeyOf(orderable, token);
      if (orderable > threshold) {
        keys[atomicAdd(&kept, 1)] = key;
      } else {
        excluded = key > excluded ? key : excluded;
      }
    }
    __syncthreads();
    excluded = BlockMax(excluded, key_scratch);
  }
  if (threadIdx.x == 0) {
    ChunkFinding finding;
    finding.best = best;
    finding.excluded = excluded;
    finding.weights = weights;
    finding.exp_sum = exp_sum;
    finding.max_logit = max_logit;
    finding.kept = kept;
    finding.finite = finite;
    workspace.findings[at] = finding;
  }
}

// Sorts keys[0, size) into descending order; size is a power of two.
__device__ void SortDescending(SortKey* keys, int size) {
  for (int run = 2; run <= size; run *= 2) {
    for (int distance = run / 2; distance > 0; distance /= 2) {
      __syncthreads();
      for (int i = threadIdx.x; i < size / 2; i += kFinishThreads) {
        const int low = i / distance * 2 * distance + i % distance;
        const int high = low + distance;
        const SortKey a = keys[low];
        const SortKey b = keys[high];
        if ((a < b) == ((low & run) == 0)) {
          keys[low] = b;
          keys[high] = a;
        }
      }
    }
  }
  __syncthreads();
}

// Lists the best of what the chunks kept, as far as nothing better was left out. Returns how many,
// and whether no other could be chosen.
__device__ int Shortlist(const CudaSampling& sampling, const SampleJob& job, const float* logits,
                         const SortKey* kept, const int* kept_counts, int chunks, SortKey excluded,
                         SortKey* keys, ShortlistToken* listed, bool* complete) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < chunks * kKept; i += kFinishThreads) {
    if (i % kKept >= kept_counts[i / kKept]) continue;
    const SortKey key = kept[i];
    if (key > excluded) keys[atomicAdd(&count, 1)] = key;
  }
  __syncthreads();
  int size = 1;
  while (size < count) size *= 2;
  for (int i = count + threadIdx.x; i < size; i += kFinishThreads) keys[i] = 0;
  SortDescending(keys, size);
  const int most = min(count, sampling.shortlist);
  for (int i = threadIdx.x; i < most; i += kFinishThreads) {
    const int token = TokenOf(keys[i]);
    listed[i] = {token, ScoreOf(keys[i]), logits[token]};
  }
  *complete = most == count && (excluded == 0 || ScoreOf(excluded) == kNever);
  return most;
}

// Finds the token that uniform * total falls on.
__device__ void DrawToken(const CudaSampling& sampling, const SampleJob& job, const float* logits,
                          const double* segment_weights, const double* factors, int chunks,
                          float best_score, double total, double* scratch, SampleOutcome* outcome) {
  __shared__ float scores[kSegment];
  __shared__ int owner;  // the thread whose segments the draw falls on
  __shared__ int drawn_segment;
  __shared__ double drawn_before;
  const int vocab = static_cast<int>(sampling.vocab);
  const int segments = SegmentsOf(vocab);
  const int each = (segments + kFinishThreads - 1) / kFinishThreads;
  const int first = min(segments, static_cast<int>(threadIdx.x) * each);
  const int end = min(segments, first + each);
  const auto weight_of = [&](int segment) {
    return segment_weights[segment] * factors[segment % chunks];
  };
  double own = 0;
  for (int s = first; s < end; ++s) own += weight_of(s);
  // Sums of all threads before this one.
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  double through = own;
  for (int distance = 1; distance < 32; distance *= 2) {
    const double other = __shfl_up_sync(0xffffffffu, through, distance);
    if (lane >= distance) through += other;
  }
  __syncthreads();
  if (lane == 31) scratch[warp] = through;
  if (threadIdx.x == 0) owner = drawn_segment = -1;
  __syncthreads();
  double before = through - own;
  for (int w = 0; w < warp; ++w) before += scratch[w];
  const double draw = job.uniform * total;
  // By rounding, two neighbours may both see the draw as theirs, or neither.
  if (own > 0 && draw >= before && draw < before + own) {
    atomicMax(&owner, static_cast<int>(threadIdx.x));
  }
  __syncthreads();
  if (threadIdx.x == owner) {
    for (int s = first; s < end; ++s) {
      const double weight = weight_of(s);
      if (weight > 0 && draw < before + weight) {
        drawn_segment = s;
        drawn_before = before;
        break;
      }
      before += weight;
    }
  }
  __syncthreads();
  const int segment = drawn_segment;
  if (segment < 0) return;
  const int token = segment * kSegment + lane;
  if (warp == 0) scores[lane] = token < vocab ? logits[token] : kNever;
  __syncthreads();
  for (int i = threadIdx.x; i < job.penalties; i += kFinishThreads) {
    const TokenPenalty penalty = sampling.penalties[job.first_penalty + i];
    if (penalty.token / kSegment != segment) continue;
    float& score = scores[penalty.token % kSegment];
    score = Penalised(score, job, penalty);
  }
  __syncthreads();
  if (warp != 0) return;
  const bool possible = scores[lane] != kNever && Allows(MaskOf(sampling, job), token);
  const double weight = possible ? WeightOf(scores[lane], best_score, job.temperature) : 0;
  double sum = drawn_before;
  for (int i = 0; i < kSegment; ++i) {
    const double next = sum + __shfl_sync(0xffffffffu, weight, i);
    if (draw < next) {
      if (lane == i) {
        outcome->drawn = token;
        outcome->drawn_logit = logits[token];
        outcome->drawn_begin = sum;
        outcome->drawn_end = next;
      }
      return;
    }
    sum = next;
  }
}

// One block a job.
__global__ void __launch_bounds__(kFinishThreads)
    FinishKernel(CudaSampling sampling, int first_job) {
  extern __shared__ SortKey keys[];  // [kMostChunks * kKept], for jobs with a shortlist
  __shared__ float max_scratch[32];
  __shared__ SortKey best_scratch[32];
  __shared__ SortKey excluded_scratch[32];
  __shared__ double sum_scratch[32];
  __shared__ double weight_scratch[32];
  __shared__ double factors[kMostChunks];
  __shared__ int kept_counts[kMostChunks];
  __shared__ SampleOutcome outcome;

  GridDependencyWait();
  const SampleJob job = sampling.jobs[first_job + blockIdx.x];
  const int chunks = ChunksOf(sampling.vocab);
  const SampleWorkspace workspace = SplitWorkspace(sampling.workspace);
  const float* logits = sampling.logits + job.row * sampling.vocab;

  ChunkFinding finding{};
  finding.max_logit = kNever;
  finding.finite = 1;
  const int me = threadIdx.x;
  if (me < chunks) finding = workspace.findings[blockIdx.x * kMostChunks + me];
  const bool finite = __syncthreads_and(finding.finite) != 0;
  const float max_logit = BlockMax(finding.max_logit, max_scratch);
  const SortKey best = BlockMax(finding.best, best_scratch);
  const SortKey excluded = BlockMax(finding.excluded, excluded_scratch);
  const float best_score = ScoreOf(best);
  double exp_sum = 0;
  double weights = 0;
  if (me < chunks) {
    exp_sum = finding.exp_sum * exp(static_cast<double>(finding.max_logit) - max_logit);
    const float own_best = ScoreOf(finding.best);
    factors[me] = own_best == kNever ? 0 : WeightOf(own_best, best_score, job.temperature);
    weights = finding.weights * factors[me];
    kept_counts[me] = finding.kept;
  }
  exp_sum = BlockSum(exp_sum, sum_scratch);
  weights = BlockSum(weights, weight_scratch);

  const int slot = first_job + blockIdx.x;
  if (me == 0) {
    outcome = {};
    outcome.finite = finite;
    outcome.best = TokenOf(best);
    outcome.best_score = best_score;
    outcome.best_logit = logits[outcome.best];
    if (job.given_token >= 0) outcome.given_logit = logits[job.given_token];
    outcome.log_sum = max_logit + log(exp_sum);
    outcome.total = job.wants_total || job.wants_draw ? weights : 0;
  }
  __syncthreads();
  if (finite && job.wants_shortlist) {
    bool complete = false;
    const int listed =
        Shortlist(sampling, job, logits,
                  workspace.kept + static_cast<size_t>(blockIdx.x) * kMostChunks * kKept,
                  kept_counts, chunks, excluded, keys,
                  sampling.listed + static_cast<size_t>(slot) * sampling.shortlist, &complete);
    if (me == 0) {
      outcome.shortlisted = listed;
      outcome.complete = complete;
    }
  }
  if (finite && job.wants_draw && best_score != kNever) {
    DrawToken(
        sampling, job, logits,
        workspace.segment_weights + static_cast<size_t>(blockIdx.x) * SegmentsOf(sampling.vocab),
        factors, chunks, best_score, weights, sum_scratch, &outcome);
  }
  __syncthreads();
  if (me == 0) sampling.outcomes[slot] = outcome;
}

int ElementsOf(int64_t vocab) {
  const int chunks = ChunksOf(vocab);
  return (SegmentsOf(vocab) + chunks - 1) / chunks * kSegment;
}

}  // namespace

bool SupportsSampling(int64_t vocab) { return vocab >= 1 && vocab <= kMostSampledVocab; }

bool SupportsShortlist() {
  int device = 0;
  int shared_bytes = 0;
  cudaFuncAttributes attributes;
  return cudaGetDevice(&device) == cudaSuccess &&
         cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) ==
             cudaSuccess &&
         cudaFuncGetAttributes(&attributes, FinishKernel) == cudaSuccess &&
         kShortlistBytes + attributes.sharedSizeBytes <= static_cast<size_t>(shared_bytes);
}

size_t SampleWorkspaceBytes(int64_t vocab) {
  constexpr size_t kChunkBytes = sizeof(ChunkFinding) + kKept * sizeof(SortKey);
  return kJobsAtOnce * (kMostChunks * kChunkBytes + SegmentsOf(vocab) * sizeof(double));
}

cudaError_t LaunchSampling(const CudaSampling& sampling, cudaStream_t stream) {
  if (!SupportsSampling(sampling.vocab)) return cudaErrorNotSupported;
  const size_t scan_bytes = ElementsOf(sampling.vocab) * sizeof(float);
  const size_t finish_bytes = sampling.shortlist > 0 ? kShortlistBytes : sizeof(SortKey);
  cudaError_t error = cudaFuncSetAttribute(
      FinishKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(finish_bytes));
  if (error == cudaSuccess) {
    error = cudaFuncSetAttribute(ScanKernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 kMostElements * sizeof(float));
  }
  for (int first = 0; error == cudaSuccess && first < sampling.job_count; first += kJobsAtOnce) {
    const int jobs = min(sampling.job_count - first, kJobsAtOnce);
    error = LaunchPdl(ScanKernel, dim3(ChunksOf(sampling.vocab), jobs), kScanThreads, scan_bytes,
                      stream, sampling, first);
    if (error != cudaSuccess) return error;
    error = LaunchPdl(FinishKernel, jobs, kFinishThreads, finish_bytes, stream, sampling, first);
  }
  return error;
}

}  // namespace gantry
