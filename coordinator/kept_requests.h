#ifndef GANTRY_COORDINATOR_KEPT_REQUESTS_H_
#define GANTRY_COORDINATOR_KEPT_REQUESTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "coordinator/request.h"
#include "coordinator/request_runner.h"
#include "proto/inference.pb.h"

namespace gantry {

// Where the messages of one call of Generate go. Called under a lock: calls nothing that waits, and
// not KeptRequests.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  virtual void OnMessage(std::shared_ptr<const v1::GenerateResponse> message) = 0;
  // Nothing follows.
  virtual void OnEnd(const absl::Status& status) = 0;
};

struct KeptRequestsOptions {
  // How long a request is kept after its end, or after its call was left; 0: none is kept.
  absl::Duration timeout = absl::Seconds(60);
  // Of all that is kept. Beyond it what ended first goes first; when nothing has ended, the request
  // that grows is not kept any more.
  int64_t max_bytes = int64_t{64} << 20;
  // Of one request, which beyond it is not kept any more: so none pushes out all others, and going
  // on with it does not keep the engine for long.
  int64_t max_request_bytes = int64_t{8} << 20;
};

// What stands between calls of Generate and the engine, so that a request may outlive its call: it
// keeps the messages of requests that their clients named, and another call of the same client may
// go on with one. Requests without a name pass through. Thread-safe.
class KeptRequests {
 public:
  // The clock outlives this, and this the sinks that the runner has; when all calls have ended the
  // runner may go first.
  KeptRequests(const KeptRequestsOptions& options, RequestRunner* runner, const Clock* clock)
      : options_(options), runner_(runner), clock_(clock) {}

  class Record;
  // Runs `request`, which is `asked` as it was checked, or goes on with the one that it resumes,
  // and ends the call that waited for that with ABORTED. Null when it is refused, which `call` has
  // been told then: NOT_FOUND, INVALID_ARGUMENT for another request under the same name,
  // OUT_OF_RANGE for more messages than were given.
  std::shared_ptr<Record> Start(const v1::GenerateRequest& asked, Request request,
                                absl::Duration deadline, std::shared_ptr<MessageSink> call);
  // The client of the call is gone. The call ends and its request stops, unless another call has
  // taken it over.
  void Leave(const std::shared_ptr<Record>& record, const MessageSink* call);

  // About, of all that is kept.
  int64_t bytes() const;

 private:
  using Key = std::pair<std::string, std::string>;  // client and request_id

  void Keep(const std::shared_ptr<Record>& record, const Request& request,
            const std::string& digest) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // That which `request` goes on with, after so many messages.
  absl::StatusOr<std::shared_ptr<Record>> Find(const Request& request, const std::string& digest,
                                               int64_t messages) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeOver(Record* record, int64_t messages, std::shared_ptr<MessageSink> call)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GoOn(Record* record, Request request, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run(Record* record, Request request, absl::Duration deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Grow(Record* record, int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetOld() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // By a record, from the engine.
  void OnAccepted(Record* record, const std::string& numerics);
  void OnMessage(Record* record, std::shared_ptr<const v1::GenerateResponse> message);
  void OnError(Record* record, const absl::Status& status);
  void End(Record* record, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const KeptRequestsOptions options_;
  RequestRunner* const runner_;
  const Clock* const clock_;
  mutable absl::Mutex mutex_;  // guards the records, too
  std::map<Key, std::shared_ptr<Record>> kept_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Record*> ended_ ABSL_GUARDED_BY(mutex_);  // of them, as they ended
  uint64_t last_ended_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_KEPT_REQUESTS_H_
