#ifndef GANTRY_COORDINATOR_CHUNK_CONTROL_H_
#define GANTRY_COORDINATOR_CHUNK_CONTROL_H_

#include <cstdint>

#include "absl/time/time.h"

namespace gantry {

// Chooses how many tokens of prompts a step may have that also continues sequences, so that it
// takes at most `slowdown` times as long as without them. It learns from the time that steps take:
// what a token of a prompt costs there depends on the device, on what else the step has (reading
// the weights once may hide some of them), and on how long the sequences are. Where the first token
// of a prompt alone costs more than that, as where it takes a step beyond what fast kernels take,
// fewer tokens only make for more slow steps: then a step has so many that they cost as much again.
// Not thread-safe.
class ChunkControl {
 public:
  // `slowdown` > 1; max_tokens >= 1.
  ChunkControl(double slowdown, int64_t max_tokens)
      : slowdown_(slowdown), max_tokens_(max_tokens), too_many_(max_tokens + 1) {}

  // 0 when the time of a step without prompts is not known, or old: one has to be seen first.
  int64_t tokens() const { return base_is_fresh() ? tokens_ : 0; }

  // A step that continued `decodes` sequences (at least 1) came back after `time`, with nothing of
  // prompts in it, before it or behind it.
  void OnDecodes(absl::Duration time, int64_t decodes);
  // It also had `prompt_tokens` (at least 1) of prompts.
  void OnMixed(absl::Duration time, int64_t decodes, int64_t prompt_tokens);

 private:
  // A base is looked at again after this many steps, and sooner when there are others to continue.
  static constexpr int kFreshSteps = 64;
  static constexpr int kFreshStepsOfOthers = 8;
  static constexpr int64_t kFirstTokens = 16;

  bool base_is_fresh() const;
  // Of a step that took `over` more than the base, and that is too long.
  void NoteLate(absl::Duration over, int64_t prompt_tokens);

  double slowdown_;
  int64_t max_tokens_;
  int64_t tokens_ = kFirstTokens;
  absl::Duration base_;       // of a step without prompts
  int64_t base_decodes_ = 0;  // that it continued; 0: none was seen
  int64_t last_decodes_ = 0;
  int mixed_steps_ = 0;  // since then
  int64_t too_many_;     // were late since then; more are not tried
  // Of the last step with prompts, if it was late.
  absl::Duration late_over_;
  int64_t late_tokens_ = 0;  // 0: it was not
  absl::Duration fixed_;  // what prompts cost whatever their tokens; 0 if that is within the target
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_CHUNK_CONTROL_H_
