#include "coordinator/rope_schedule.h"

#include "model/rope.h"

namespace gantry {

RopeSchedule::Chunk RopeSchedule::At(int64_t position) const {
  if (position < base_) return {base_, base_};
  return {position + 1, RopeValidUpTo(*config_, position + 1)};
}

bool RopeSchedule::MustRestart(int64_t length) const {
  return config_->rope.type == RopeConfig::Type::kLongRope && length > base_ &&
         RopeValidUpTo(*config_, base_) < length;
}

}  // namespace gantry
