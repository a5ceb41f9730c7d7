#ifndef GANTRY_WORKER_STEP_CHECK_H_
#define GANTRY_WORKER_STEP_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "proto/step_frame.h"

namespace gantry {

// What a stage takes. Everything that is checked without knowing the sequences.
struct StageLimits {
  uint64_t epoch = 0;
  uint32_t stage = 0;
  // What the payload holds for each slice that has not failed: nothing, its tokens' rows, or only
  // the rows that go through lm_head (behind the last decoder layer).
  enum class Input { kTokenIds, kTokenRows, kLogitRows } input = Input::kTokenIds;
  bool feeds_back = false;  // embeds tokens and samples them: takes kSampledToken
  int64_t hidden_size = 0;
  int64_t vocab_size = 0;
  int64_t context = 0;
  int64_t max_step_tokens = 0;
  int64_t max_step_rows = 0;
};

// INVALID_ARGUMENT for a frame of which no part can be trusted: wrong epoch or stage, more tokens
// or rows than were agreed, costs of more stages than it has passed, a payload that is not what
// header and slices say, a sequence named twice. The payload's type is the sender's: F32, BF16 or
// F16. A frame that passes may still hold wrong slices.
absl::Status CheckFrame(const StepFrame& frame, const StageLimits& limits);

// INVALID_ARGUMENT for a slice whose numbers make no sense by themselves: no tokens, token ids out
// of the vocabulary, positions beyond the context, parameters out of range or not finite, a mask of
// another vocabulary or without a token.
absl::Status CheckSlice(const v1::SequenceSlice& slice, const StageLimits& limits);

// Rows of the payload that belong to a slice that has not failed.
int64_t InputRows(const v1::SequenceSlice& slice, StageLimits::Input input);

}  // namespace gantry

#endif  // GANTRY_WORKER_STEP_CHECK_H_
