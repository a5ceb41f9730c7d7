#include "client/output.h"

#include <errno.h>
#include <unistd.h>

namespace gantry {

Output::Output(int fd) : fd_(fd), terminal_(isatty(fd) == 1) {}

absl::Status Output::Write(absl::string_view text) {
  if (!text.empty()) at_line_start_ = text.back() == '\n';
  while (!text.empty()) {
    const ssize_t written = write(fd_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(written);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE) {
      closed_ = true;
      return absl::CancelledError("the output is closed");
    }
    return absl::ErrnoToStatus(errno, "cannot write the output");
  }
  return absl::OkStatus();
}

absl::Status Output::FinishLine() {
  if (!terminal_ || at_line_start_) return absl::OkStatus();
  return Write("\n");
}

}  // namespace gantry
