#ifndef GANTRY_WORKER_COORDINATOR_LINK_H_
#define GANTRY_WORKER_COORDINATOR_LINK_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/credentials.h"
#include "proto/registry.grpc.pb.h"
#include "proto/registry.pb.h"

namespace gantry {

struct CoordinatorLinkOptions {
  std::string coordinator;  // host:port
  Credentials credentials;
  v1::Hello hello;
  // What renews the lease.
  std::function<v1::Progress()> make_progress;
  // The worker is no longer a member: its stages have ended.
  std::function<void()> on_lost;
};

// Keeps this worker a member: joins, renews the lease, and joins again, for as long as it takes,
// when the stream ends.
class CoordinatorLink {
 public:
  explicit CoordinatorLink(CoordinatorLinkOptions options) : options_(std::move(options)) {}

  // Returns OK after Leave, or the coordinator's answer when it refuses the worker: another
  // protocol version, a name that is taken, no permission.
  absl::Status Run();
  // Says goodbye and ends Run. From any thread.
  void Leave();
  // Sent on the stream if there is one; a worker that is no member has no stages to report on.
  void ReportFault(uint64_t epoch, const std::string& message);
  // Whether the coordinator has ever accepted this worker.
  bool has_joined() const;

 private:
  // One stream from Hello to its end.
  absl::Status Join();
  // CANCELLED as soon as the worker is to leave.
  absl::Status Connect(grpc::Channel* channel);
  // False when the worker is to leave.
  bool Pause(absl::Duration duration);

  const CoordinatorLinkOptions options_;

  mutable absl::Mutex mutex_;
  bool leaving_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_joined_ ABSL_GUARDED_BY(mutex_) = false;
  bool stream_ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration lease_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Fault> faults_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry

#endif  // GANTRY_WORKER_COORDINATOR_LINK_H_
