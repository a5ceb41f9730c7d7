#ifndef GANTRY_CLIENT_OUTPUT_H_
#define GANTRY_CLIENT_OUTPUT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace gantry {

// An open file descriptor to which text goes at once, unbuffered. Not owned.
class Output {
 public:
  explicit Output(int fd);

  // CANCELLED when nobody reads any more (the pipe is closed), else the system's error.
  // Requires that SIGPIPE is ignored.
  absl::Status Write(absl::string_view text);
  // Ends an unfinished line when a person is reading.
  absl::Status FinishLine();

  bool terminal() const { return terminal_; }
  bool closed() const { return closed_; }

 private:
  const int fd_;
  const bool terminal_;
  bool closed_ = false;
  bool at_line_start_ = true;
};

}  // namespace gantry

#endif  // GANTRY_CLIENT_OUTPUT_H_
