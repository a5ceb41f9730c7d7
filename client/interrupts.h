#ifndef GANTRY_CLIENT_INTERRUPTS_H_
#define GANTRY_CLIENT_INTERRUPTS_H_

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/cancellation.h"

namespace gantry {

// What SIGINT and SIGTERM do: the first cancels the call that is running; any other is given to
// `idle`. Thread-safe.
class Interrupts {
 public:
  explicit Interrupts(std::function<void(int signal)> idle) : idle_(std::move(idle)) {}

  void Deliver(int signal);
  // The last one that cancelled a call; 0 if none has.
  int last_signal() const;

 private:
  friend class InterruptibleCall;

  const std::function<void(int)> idle_;
  mutable absl::Mutex mutex_;
  Cancellation* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int last_signal_ ABSL_GUARDED_BY(mutex_) = 0;
};

// While this lives, interrupts cancel its cancellation(). One at a time.
class InterruptibleCall {
 public:
  explicit InterruptibleCall(Interrupts* interrupts);
  ~InterruptibleCall();
  InterruptibleCall(const InterruptibleCall&) = delete;
  InterruptibleCall& operator=(const InterruptibleCall&) = delete;

  Cancellation* cancellation() { return &cancellation_; }

 private:
  Interrupts* const interrupts_;
  Cancellation cancellation_;
};

// Sends the process's SIGINT and SIGTERM to `interrupts`, which lives as long as the process.
// Called before any other thread exists. Signals that the process was started to ignore stay so.
void DeliverSignalsTo(Interrupts* interrupts);

}  // namespace gantry

#endif  // GANTRY_CLIENT_INTERRUPTS_H_
