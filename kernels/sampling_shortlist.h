#ifndef GANTRY_KERNELS_SAMPLING_SHORTLIST_H_
#define GANTRY_KERNELS_SAMPLING_SHORTLIST_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "kernels/cuda/sampling_jobs.h"
#include "kernels/sampling.h"

namespace gantry {

// SampleRow in two halves: a device looks through the rows of logits, and the host chooses from the
// little that it found, the same token as SampleRow from the whole row.

struct SamplePlan {
  std::vector<SampleJob> jobs;
  std::vector<TokenPenalty> penalties;
  std::vector<uint32_t> masks;  // [masks, MaskWords(vocab)]
  // Of each request: the job that the token is chosen by, and the one that has the alternatives to
  // report, the same unless scores are not the logits.
  std::vector<int32_t> choice_jobs;
  std::vector<int32_t> top_jobs;
  int32_t shortlist = 0;  // tokens to list at most, <= kMostShortlisted
};

inline int64_t MaskWords(int64_t vocab) { return (vocab + 31) / 32; }

// Request i is for row i. Requests are as CheckSampleRequests wants them.
SamplePlan PlanSampling(absl::Span<const SampleRequest> requests, int64_t vocab);

// What a device found by one job.
struct SampleFinding {
  const SampleOutcome& outcome;
  absl::Span<const ShortlistToken> shortlist;  // the outcome's `shortlisted`
};

// Nothing where the findings do not decide it: the shortlist is too short, or rounding could have
// changed what they say. Then SampleRow must have the row.
std::optional<SampleResult> FinishSampling(const SampleRequest& request, int64_t vocab,
                                           const SampleFinding& choice, const SampleFinding& top);

}  // namespace gantry

#endif  // GANTRY_KERNELS_SAMPLING_SHORTLIST_H_
