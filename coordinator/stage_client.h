#ifndef GANTRY_COORDINATOR_STAGE_CLIENT_H_
#define GANTRY_COORDINATOR_STAGE_CLIENT_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "coordinator/engine.h"
#include "proto/stage.pb.h"
#include "proto/step_frame.h"

namespace gantry {

// One Stage.Load, on a thread of its own. Thread-safe.
class LoadCall {
 public:
  struct State {
    v1::LoadProgress progress;  // the latest
    bool ended = false;
    absl::Status status;  // once ended; OK only after progress.done
  };

  // `on_end` is called by the thread when the call has ended.
  LoadCall(std::shared_ptr<grpc::Channel> channel, v1::LoadRequest request, absl::Duration timeout,
           std::function<void()> on_end);
  // Cancels and waits.
  ~LoadCall();

  State state() const;

 private:
  void Run(absl::Duration timeout);

  const std::shared_ptr<grpc::Channel> channel_;
  const v1::LoadRequest request_;
  const std::function<void()> on_end_;
  grpc::ClientContext context_;
  mutable absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

absl::Status UnloadStage(const std::shared_ptr<grpc::Channel>& channel, uint64_t epoch,
                         absl::Duration timeout);

// Stage.Run of the first stage: where steps enter the pipeline.
class StepLink : public StepSink {
 public:
  // Waits until the stage has accepted the stream. `on_broken` is called at most once, by a thread
  // of the link, when the stream ends after that without Cancel.
  static absl::StatusOr<std::unique_ptr<StepLink>> Open(
      std::shared_ptr<grpc::Channel> channel, uint64_t epoch, absl::Duration timeout,
      std::function<void(absl::Status)> on_broken);
  // Cancels and waits. Nobody may be in Send.
  ~StepLink() override;

  // One caller at a time.
  bool Send(const v1::StepHeader& header) override;
  // Makes a Send that waits return. Thread-safe.
  void Cancel();

 private:
  StepLink(std::shared_ptr<grpc::Channel> channel, uint64_t epoch,
           std::function<void(absl::Status)> on_broken);
  void Read();

  const std::shared_ptr<grpc::Channel> channel_;
  const std::function<void(absl::Status)> on_broken_;
  grpc::ClientContext context_;
  std::unique_ptr<StepWriter> stream_;
  absl::Mutex mutex_;
  bool accepted_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::thread reader_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_STAGE_CLIENT_H_
