#ifndef GANTRY_WORKER_LOAD_PROGRESS_H_
#define GANTRY_WORKER_LOAD_PROGRESS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"

namespace gantry {

// Shows how far loading is: on a terminal one line that changes, else a log line each tenth.
class LoadProgress {
 public:
  LoadProgress(bool terminal, const Clock* clock);
  void Update(uint64_t loaded, uint64_t total);
  // The line that Update last wrote or logged; empty before that.
  const std::string& last() const { return last_; }

 private:
  const bool terminal_;
  const Clock* const clock_;
  const absl::Duration begin_;
  absl::Duration drawn_;
  int logged_tenths_ = 0;
  bool finished_ = false;
  std::string last_;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_LOAD_PROGRESS_H_
