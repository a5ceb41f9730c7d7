#ifndef GANTRY_CLIENT_CANCELLATION_H_
#define GANTRY_CLIENT_CANCELLATION_H_

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"

namespace gantry {

// Ends calls from another thread. Every call that is given one ends with CANCELLED once Cancel has
// been called, also when that was before the call began. Thread-safe; outlives the calls.
class Cancellation {
 public:
  void Cancel();
  bool cancelled() const;
  // Waits for it, at most so long. Whether it was cancelled.
  bool CancelledWithin(absl::Duration time) const;

 private:
  friend class ScopedCall;

  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
};

// Lets `cancellation`, which may be null, cancel `context` for as long as this lives.
class ScopedCall {
 public:
  ScopedCall(Cancellation* cancellation, grpc::ClientContext* context);
  ~ScopedCall();
  ScopedCall(const ScopedCall&) = delete;
  ScopedCall& operator=(const ScopedCall&) = delete;

 private:
  Cancellation* const cancellation_;
  grpc::ClientContext* const context_;
};

}  // namespace gantry

#endif  // GANTRY_CLIENT_CANCELLATION_H_
