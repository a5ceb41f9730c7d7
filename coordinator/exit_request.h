#ifndef GANTRY_COORDINATOR_EXIT_REQUEST_H_
#define GANTRY_COORDINATOR_EXIT_REQUEST_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace gantry {

// Why the process is to end: SIGINT, SIGTERM, or something it found itself. Make one before any
// other thread starts, for it blocks the signals. A signal that comes while the process is ending
// ends it at once with 128 + its number. Never destroyed: its thread waits for signals to the last.
class ExitRequest {
 public:
  static ExitRequest* Get();

  // The first reason counts.
  void Set(int exit_code);
  bool IsSet() const;
  // Waits for the reason and returns its exit code.
  int Wait();

 private:
  ExitRequest();
  void WatchSignals();

  mutable absl::Mutex mutex_;
  bool set_ ABSL_GUARDED_BY(mutex_) = false;
  int exit_code_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_EXIT_REQUEST_H_
