#include "base/clock.h"

#include <time.h>

namespace gantry {
namespace {

class MonotonicClock : public Clock {
 public:
  absl::Duration Now() const override {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return absl::DurationFromTimespec(now);
  }
};

}  // namespace

const Clock* Clock::Real() {
  static const MonotonicClock clock;
  return &clock;
}

}  // namespace gantry
