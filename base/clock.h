#ifndef GANTRY_BASE_CLOCK_H_
#define GANTRY_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace gantry {

// Monotonic time. Only differences mean anything; the wall clock plays no part, so that setting it
// neither ends nor extends a lease.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Duration Now() const = 0;
  static const Clock* Real();
};

// Moves only when told to.
class FakeClock : public Clock {
 public:
  absl::Duration Now() const override { return now_; }
  void Advance(absl::Duration by) { now_ += by; }

 private:
  absl::Duration now_ = absl::Seconds(1);
};

}  // namespace gantry

#endif  // GANTRY_BASE_CLOCK_H_
