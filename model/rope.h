#ifndef GANTRY_MODEL_ROPE_H_
#define GANTRY_MODEL_ROPE_H_

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace gantry {

// The rotary embedding of a sequence of `length` tokens, computed in float as transformers'
// modeling_rope_utils.py does, because the rounding shows at long positions.
struct RopeFrequencies {
  std::vector<float> inv_freq;  // [rotary_dim / 2]
  float scale = 1;              // of cosine and sine ("attention_scaling")
};
// Only dynamic and longrope depend on `length`.
RopeFrequencies ComputeRope(const ModelConfig& config, int64_t length);

// The largest length whose frequencies equal those of `length`, so that keys already stored stay
// right up to there: longrope changes at original_max_position_embeddings; dynamic changes with
// every token beyond it; the others never.
int64_t RopeValidUpTo(const ModelConfig& config, int64_t length);

}  // namespace gantry

#endif  // GANTRY_MODEL_ROPE_H_
