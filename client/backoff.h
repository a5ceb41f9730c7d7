#ifndef GANTRY_CLIENT_BACKOFF_H_
#define GANTRY_CLIENT_BACKOFF_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace gantry {

// When to ask again after failures: after twice the time of before, and never sooner than the
// server says. Not thread-safe.
class Backoff {
 public:
  // Gives up when the first failure is so long ago. `clock` outlives this.
  Backoff(absl::Duration patience, const Clock* clock) : patience_(patience), clock_(clock) {}

  // How long to wait; nothing: no more.
  std::optional<absl::Duration> After(const absl::Status& failure);
  // It worked: the next failure is the first again.
  void Reset();
  int failures() const { return failures_; }

 private:
  const absl::Duration patience_;
  const Clock* const clock_;
  int failures_ = 0;
  absl::Duration first_failure_;
  absl::Duration delay_;
};

}  // namespace gantry

#endif  // GANTRY_CLIENT_BACKOFF_H_
