#include "coordinator/rope_schedule.h"

#include "model/rope.h"

namespace gantry {

RopeSchedule::Chunk RopeSchedule::At(int64_t position) const {
  if (position < base_) return {base_, base_};
  return {position + 1, RopeValidUpTo(*config_, position + 1)};
}

std::optional<int64_t> RopeSchedule::Embedding(int64_t begin, int64_t end) const {
  // What a length is valid up to never falls as tokens follow.
  const int64_t first = RopeValidUpTo(*config_, At(begin).rope_length);
  const int64_t last = RopeValidUpTo(*config_, At(end - 1).rope_length);
  if (first != last) return std::nullopt;
  return first;
}

bool RopeSchedule::MustRestart(int64_t length) const {
  return config_->rope.type == RopeConfig::Type::kLongRope && length > base_ &&
         RopeValidUpTo(*config_, base_) < length;
}

}  // namespace gantry
