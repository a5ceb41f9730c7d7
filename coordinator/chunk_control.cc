#include "coordinator/chunk_control.h"

#include <algorithm>
#include <cstdlib>

namespace gantry {
namespace {

constexpr double kSmoothing = 0.3;
// One step's time is noisy: what it says is followed within these bounds.
constexpr double kMaxShrink = 0.5;
constexpr double kMaxGrowth = 1.5;
// Only so few tokens tell that fewer do not help: more may be beyond some limit of fast kernels.
constexpr int64_t kFewTokens = 4;
// After they have told so.
constexpr double kMaxRegrowth = 2;
// Of the target, so that steps that are late by a little do not tell so.
constexpr double kClearlyLate = 1.5;

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
  too_many_ = max_tokens_ + 1;
  late_tokens_ = 0;
  // Many tokens do not tell whether few still cost as much.
  if (fixed_ > absl::ZeroDuration()) tokens_ = std::min(tokens_, kFirstTokens);
  fixed_ = absl::ZeroDuration();
  // Nor would few, for nothing fewer could be compared with them.
  tokens_ = std::max(tokens_, std::min(kFewTokens + 1, max_tokens_));
}

void ChunkControl::NoteLate(absl::Duration over, int64_t prompt_tokens) {
  if (prompt_tokens < late_tokens_ && prompt_tokens <= kFewTokens) {
    // The line through both steps, where it has no tokens of prompts.
    const absl::Duration fixed = (over * late_tokens_ - late_over_ * prompt_tokens) /
                                 static_cast<double>(late_tokens_ - prompt_tokens);
    if (fixed > kClearlyLate * (slowdown_ - 1) * base_) {
      fixed_ = fixed;
      too_many_ = max_tokens_ + 1;
    }
  }
  late_over_ = over;
  late_tokens_ = prompt_tokens;
}

void ChunkControl::OnMixed(absl::Duration time, int64_t decodes, int64_t prompt_tokens) {
  ++mixed_steps_;
  last_decodes_ = decodes;
  if (base_decodes_ == 0) return;
  const absl::Duration target = slowdown_ * base_;
  if (time > target) {
    // Of the time beyond the base each of these tokens had a part.
    const absl::Duration over = time - base_;
    NoteLate(over, prompt_tokens);
    double ratio = std::max(kMaxShrink, absl::FDivDuration(target - base_, over));
    if (fixed_ > absl::ZeroDuration()) {
      ratio = over <= fixed_
                  ? kMaxRegrowth
                  : std::clamp(absl::FDivDuration(fixed_, over - fixed_), kMaxShrink, kMaxRegrowth);
      // The end of a prompt may have been less than there was room for.
      const auto wanted = static_cast<int64_t>(prompt_tokens * ratio);
      tokens_ = ratio > 1 ? std::max(tokens_, wanted) : wanted;
    } else {
      tokens_ = std::min(tokens_, static_cast<int64_t>(prompt_tokens * ratio));
      too_many_ = prompt_tokens;
    }
  } else {
    fixed_ = absl::ZeroDuration();
    late_tokens_ = 0;
    // More tokens make a step longer by no more than their share. One that had fewer than it might
    // have had says nothing of what is too little.
    const double ratio = std::min(kMaxGrowth, absl::FDivDuration(target, time));
    tokens_ = std::max(tokens_, static_cast<int64_t>(prompt_tokens * ratio));
    if (2 * (time - base_) < target - base_) tokens_ = std::max(tokens_, prompt_tokens + 1);
    tokens_ = std::min(tokens_, too_many_ - 1);
  }
  tokens_ = std::clamp<int64_t>(tokens_, 1, max_tokens_);
}

}  // namespace gantry
