#include "worker/load_progress.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/log.h"

namespace gantry {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);

}  // namespace

LoadProgress::LoadProgress(bool terminal, const Clock* clock)
    : terminal_(terminal), clock_(clock), begin_(clock->Now()), drawn_(begin_ - kRedraw) {}

void LoadProgress::Update(uint64_t loaded, uint64_t total) {
  if (finished_ || total == 0) return;
  finished_ = loaded >= total;
  const absl::Duration now = clock_->Now();
  const double share = static_cast<double>(loaded) / static_cast<double>(total);
  const int tenths = static_cast<int>(10 * share);
  const bool due = terminal_ ? now - drawn_ >= kRedraw : tenths > logged_tenths_;
  if (!due && !finished_) return;
  drawn_ = now;
  logged_tenths_ = tenths;
  const double seconds = absl::ToDoubleSeconds(now - begin_);
  last_ = absl::StrCat("loading weights: ", FormatBytes(loaded), " of ", FormatBytes(total),
                       absl::StrFormat(" (%.0f %%)", 100 * share));
  if (seconds > 0) {
    absl::StrAppend(&last_, ", ",
                    FormatBytes(static_cast<uint64_t>(static_cast<double>(loaded) / seconds)),
                    "/s");
  }
  if (terminal_) {
    std::fprintf(stderr, "\r\x1b[K%s%s", last_.c_str(), finished_ ? "\n" : "");
    std::fflush(stderr);
  } else {
    LogInfo(last_);
  }
}

}  // namespace gantry
