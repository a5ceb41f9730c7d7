#include "worker/grpc_next_stage.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "proto/channel.h"
#include "proto/status.h"

namespace gantry {
namespace {

constexpr absl::Duration kOneTry = absl::Seconds(15);
constexpr absl::Duration kPause = absl::Milliseconds(50);
// The coordinator has at most a few steps under way; a longer queue is a link that does not move.
constexpr size_t kMaxQueuedFrames = 1024;

// The server is not up, or has another epoch for a moment longer.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsFailedPrecondition(status) ||
         absl::IsDeadlineExceeded(status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NextStage>> GrpcNextStage::Open(
    const NextStageTarget& target, const Credentials& credentials, absl::Time deadline,
    const std::function<bool()>& cancelled, OnBroken on_broken) {
  while (true) {
    std::unique_ptr<GrpcNextStage> link(new GrpcNextStage());
    const absl::Duration timeout = std::min(kOneTry, deadline - absl::Now());
    const absl::Status started = link->Start(target, credentials, timeout, on_broken);
    if (started.ok()) return std::unique_ptr<NextStage>(std::move(link));
    link->Close();
    if (cancelled()) return absl::CancelledError("loading was cancelled");
    if (!MayPass(started) || absl::Now() + kPause >= deadline) {
      return Annotate(started,
                      absl::StrCat("link to the next stage at ", target.endpoint.address()));
    }
    absl::SleepFor(kPause);
  }
}

absl::Status GrpcNextStage::Start(const NextStageTarget& target, const Credentials& credentials,
                                  absl::Duration timeout, OnBroken on_broken) {
  channel_ = MakeChannel(target.endpoint, credentials, target.role);
  GANTRY_RETURN_IF_ERROR(WaitConnected(channel_.get(), timeout, target.endpoint.address()));
  context_.AddMetadata(kEpochMetadata, absl::StrCat(target.epoch));
  stream_ = OpenSteps(channel_.get(), &context_);
  on_broken_ = std::move(on_broken);
  writer_ = std::thread([this] { WriteFrames(); });
  reader_ = std::thread([this] { AwaitEnd(); });

  absl::MutexLock lock(&mutex_);
  auto opened_or_finished = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return open_ || finished_;
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&opened_or_finished), timeout)) {
    return absl::DeadlineExceededError("the server does not answer");
  }
  return finished_ ? end_ : absl::OkStatus();
}

GrpcNextStage::~GrpcNextStage() { Close(); }

void GrpcNextStage::Send(StepFrame frame) {
  absl::MutexLock lock(&mutex_);
  if (ended_) return;
  if (queue_.size() >= kMaxQueuedFrames) {
    context_.TryCancel();
    return;
  }
  queue_.push_back(std::move(frame));
}

void GrpcNextStage::WriteFrames() {
  while (true) {
    StepFrame frame;
    {
      absl::MutexLock lock(&mutex_);
      auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return ended_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&something));
      if (ended_) return;
      frame = std::move(queue_.front());
      queue_.pop_front();
    }
    if (!stream_->Write(frame)) return;  // AwaitEnd learns why
  }
}

void GrpcNextStage::AwaitEnd() {
  StepFrame frame;
  while (stream_->Read(&frame)) {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }
  bool report;
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
    report = open_ && !closing_;
  }
  writer_.join();
  absl::Status end = FromGrpcStatus(stream_->Finish());
  if (end.ok()) end = absl::UnavailableError("the server ended the stream");
  if (report) on_broken_(end);
  absl::MutexLock lock(&mutex_);
  end_ = std::move(end);
  finished_ = true;
}

void GrpcNextStage::Close() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    ended_ = true;
  }
  context_.TryCancel();
  if (reader_.joinable()) reader_.join();
}

}  // namespace gantry
