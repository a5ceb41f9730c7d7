#include "coordinator/chunk_control.h"

#include <algorithm>

namespace gantry {
namespace {

constexpr double kSmoothing = 0.3;
// One step's time is noisy: what it says is followed within these bounds.
constexpr double kMaxShrink = 0.5;
constexpr double kMaxGrowth = 1.5;

}  // namespace

bool ChunkControl::base_is_fresh() const {
  if (base_decodes_ == 0) return false;
  const int64_t others = std::abs(last_decodes_ - base_decodes_);
  return mixed_steps_ < (4 * others > base_decodes_ ? kFreshStepsOfOthers : kFreshSteps);
}

void ChunkControl::OnDecodes(absl::Duration time, int64_t decodes) {
  // A batch of another size says nothing of how long this one took before.
  const bool like_before = base_decodes_ > 0 && 4 * std::abs(decodes - base_decodes_) <= decodes;
  base_ = like_before ? base_ + kSmoothing * (time - base_) : time;
  base_decodes_ = last_decodes_ = decodes;
  mixed_steps_ = 0;
}

void ChunkControl::OnMixed(absl::Duration time, int64_t decodes, int64_t prompt_tokens) {
  ++mixed_steps_;
  last_decodes_ = decodes;
  if (base_decodes_ == 0) return;
  const absl::Duration target = slowdown_ * base_;
  if (time > target) {
    // Of the time beyond the base each of these tokens had a part.
    const double ratio = std::max(kMaxShrink, absl::FDivDuration(target - base_, time - base_));
    tokens_ = std::min(tokens_, static_cast<int64_t>(prompt_tokens * ratio));
  } else {
    // More tokens make a step longer by no more than their share. One that had fewer than it might
    // have had says nothing of what is too little.
    const double ratio = std::min(kMaxGrowth, absl::FDivDuration(target, time));
    tokens_ = std::max(tokens_, static_cast<int64_t>(prompt_tokens * ratio));
    if (2 * (time - base_) < target - base_) tokens_ = std::max(tokens_, prompt_tokens + 1);
  }
  tokens_ = std::clamp<int64_t>(tokens_, 1, max_tokens_);
}

}  // namespace gantry
