#include "client/backoff.h"

#include <algorithm>

#include "proto/retry_info.h"

namespace gantry {
namespace {

constexpr absl::Duration kFirstDelay = absl::Milliseconds(100);
constexpr absl::Duration kLongestDelay = absl::Seconds(2);

}  // namespace

std::optional<absl::Duration> Backoff::After(const absl::Status& failure) {
  const absl::Duration now = clock_->Now();
  if (failures_++ == 0) {
    first_failure_ = now;
    delay_ = kFirstDelay;
  }
  const absl::Duration wait =
      std::max(delay_, GetRetryDelay(failure).value_or(absl::ZeroDuration()));
  delay_ = std::min(2 * delay_, kLongestDelay);
  if (now + wait >= first_failure_ + patience_) return std::nullopt;
  return wait;
}

void Backoff::Reset() { failures_ = 0; }

}  // namespace gantry
