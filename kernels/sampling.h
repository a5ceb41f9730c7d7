#ifndef GANTRY_KERNELS_SAMPLING_H_
#define GANTRY_KERNELS_SAMPLING_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace gantry {

// How to choose a token from its logits, in this order: biases, penalties, tokens that must not be
// chosen, then (unless greedy) temperature, top-k, top-p, min-p, as transformers' logits processors
// and warpers define them.
struct SamplingParams {
  float temperature = 0;  // 0: greedy (ties go to the lowest id)
  int32_t top_k = 0;      // 0: all
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;  // over prompt and generated tokens, as in transformers
  float presence_penalty = 0;    // over generated tokens, as in OpenAI's API
  float frequency_penalty = 0;   // over generated tokens
  uint64_t seed = 0;
};

// Added to a token's logit, as in OpenAI's API.
struct TokenBias {
  int32_t token_id = 0;
  float bias = 0;
};

// One row to sample from, or to read log-probabilities from.
struct SampleRequest {
  SamplingParams params;
  absl::Span<const int32_t> prompt;  // token ids, for the penalties; may be empty if there are none
  absl::Span<const int32_t> generated;
  absl::Span<const TokenBias> biases;    // each token once
  absl::Span<const int32_t> suppressed;  // ids that must not be chosen
  // [MaskBytes(vocab)]: bit i % 8 of byte i / 8 says whether token i may be chosen. Empty: all may.
  absl::Span<const uint8_t> allowed;
  // Of the token being chosen: the draw is a pure function of (seed, position).
  uint64_t position = 0;
  int32_t top_logprobs = 0;  // alternatives to report
  int32_t given_token = -1;  // >= 0: do not sample, report this token (scoring)
};

struct TokenLogprob {
  int32_t token_id = 0;
  float logprob = 0;
};

struct SampleResult {
  // Chosen (or given). The log-probability is the model's: log_softmax of the logits as they came,
  // of a token that may not be chosen too.
  TokenLogprob token;
  std::vector<TokenLogprob> top;  // the top_logprobs most likely, descending
  bool finite = true;  // false: the logits held a NaN or an infinity, and token means nothing
};

inline int64_t MaskBytes(int64_t vocab) { return (vocab + 7) / 8; }

// The specification, on the host. logits: [vocab].
SampleResult SampleRow(absl::Span<const float> logits, const SampleRequest& request);

}  // namespace gantry

#endif  // GANTRY_KERNELS_SAMPLING_H_
