#ifndef GANTRY_COORDINATOR_ROPE_SCHEDULE_H_
#define GANTRY_COORDINATOR_ROPE_SCHEDULE_H_

#include <cstdint>
#include <optional>

#include "model/config.h"

namespace gantry {

// For which length each token's rotary embedding is computed, where that depends on the length, as
// transformers does it: the prompt's tokens for the prompt's length, each later one for its own.
// With dynamic scaling earlier keys stay as they are. With longrope the keys are computed again,
// once, when the sequence passes the length at which the long factors take over.
class RopeSchedule {
 public:
  // `config` outlives the schedule.
  RopeSchedule(const ModelConfig* config, int64_t prompt_tokens)
      : config_(config), base_(prompt_tokens) {}

  struct Chunk {
    int64_t rope_length = 0;
    int64_t end = 0;  // tokens up to here, exclusive, share it
  };
  // For the token at `position`.
  Chunk At(int64_t position) const;

  // A number for the embedding of the tokens from `begin` to `end`, exclusive: equal where it is
  // equal. Nothing when they have several.
  std::optional<int64_t> Embedding(int64_t begin, int64_t end) const;

  // Whether a sequence that now has `length` tokens must be computed again from its first token.
  bool MustRestart(int64_t length) const;
  // It is: all tokens up to `length` are computed for that length.
  void Restart(int64_t length) { base_ = length; }

 private:
  const ModelConfig* config_;
  int64_t base_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_ROPE_SCHEDULE_H_
