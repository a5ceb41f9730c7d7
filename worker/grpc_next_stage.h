#ifndef GANTRY_WORKER_GRPC_NEXT_STAGE_H_
#define GANTRY_WORKER_GRPC_NEXT_STAGE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/credentials.h"
#include "proto/registry.pb.h"
#include "worker/next_stage.h"

namespace gantry {

struct NextStageTarget {
  v1::Endpoint endpoint;
  absl::string_view role = kWorkerRole;  // that the server's certificate must carry
  uint64_t epoch = 0;
};

// A stream of Stage.Run with a thread that writes and one that waits for its end.
class GrpcNextStage : public NextStage {
 public:
  using OnBroken = std::function<void(const absl::Status&)>;

  // Connects and waits for the server's first frame, so that the first step finds the way open.
  // Tries again until `deadline` while the server is not there yet or has not yet heard of the
  // epoch, or until `cancelled`. `on_broken` is called at most once, from a thread of the link.
  static absl::StatusOr<std::unique_ptr<NextStage>> Open(const NextStageTarget& target,
                                                         const Credentials& credentials,
                                                         absl::Time deadline,
                                                         const std::function<bool()>& cancelled,
                                                         OnBroken on_broken);
  ~GrpcNextStage() override;

  void Send(StepFrame frame) override;
  void Close() override;

 private:
  GrpcNextStage() = default;
  absl::Status Start(const NextStageTarget& target, const Credentials& credentials,
                     absl::Duration timeout, OnBroken on_broken);
  void WriteFrames();
  void AwaitEnd();

  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  std::unique_ptr<StepWriter> stream_;
  OnBroken on_broken_;
  std::thread writer_;
  std::thread reader_;

  absl::Mutex mutex_;
  std::deque<StepFrame> queue_ ABSL_GUARDED_BY(mutex_);
  bool open_ ABSL_GUARDED_BY(mutex_) = false;   // the server's first frame has come
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // nothing can be written any more
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;  // end_ is set
};

}  // namespace gantry

#endif  // GANTRY_WORKER_GRPC_NEXT_STAGE_H_
