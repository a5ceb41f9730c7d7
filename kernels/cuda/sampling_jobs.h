#ifndef GANTRY_KERNELS_CUDA_SAMPLING_JOBS_H_
#define GANTRY_KERNELS_CUDA_SAMPLING_JOBS_H_

#include <cstdint>

// Included by .cu and by .cc files: nothing from outside.

namespace gantry {

// What the device does of sampling: all that takes the whole row of logits. The host ends it from
// what is found, see kernels/sampling_shortlist.h.

// A token whose score is not its logit.
struct TokenPenalty {
  int32_t token = 0;
  float bias = 0;         // added to the logit before all else
  int32_t generated = 0;  // times, for presence and frequency penalties
  bool seen = false;      // in prompt or generated, for the repetition penalty
  bool suppressed = false;
};

// One row of logits to look through. Scores are the logits after penalties, and minus infinity for
// tokens that the mask leaves out; a row that is wanted with and without them is two jobs.
struct SampleJob {
  int32_t row = 0;
  int32_t first_penalty = 0;  // of its penalties, each token once
  int32_t penalties = 0;
  int32_t mask = -1;  // number of its mask; -1: all tokens may be chosen
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  float temperature = 0;  // > 0 where a total or a draw is wanted
  int32_t given_token = -1;
  double uniform = 0;  // in [0, 1), for the draw
  bool wants_shortlist = false;
  bool wants_total = false;
  bool wants_draw = false;  // from all tokens, no others being cut off; a total comes with it
};

// The shortlist's tokens come in the order of scores, equal ones by ascending id, with none left
// out before the last.
struct ShortlistToken {
  int32_t id = 0;
  float score = 0;
  float logit = 0;
};
constexpr int kMostShortlisted = 1024;

struct SampleOutcome {
  bool finite = false;  // all logits are; if not, the rest means nothing
  int32_t best = 0;     // token of the highest score, of equal ones the lowest
  float best_score = 0;
  float best_logit = 0;
  float given_logit = 0;
  int32_t shortlisted = 0;
  bool complete = false;  // tokens that are not in the shortlist have a score of minus infinity
  double log_sum = 0;     // log of the sum of exp(logit)
  // With weight = exp((score - best_score) / temperature), in double: the sum over all tokens, and
  // the token that uniform * total falls on when they lie side by side by ascending id, from
  // `drawn_begin` to `drawn_end`. -1: none, by rounding.
  double total = 0;
  int32_t drawn = -1;
  float drawn_logit = 0;
  double drawn_begin = 0;
  double drawn_end = 0;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_SAMPLING_JOBS_H_
