#include "coordinator/stage_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status.h"

namespace gantry {

LoadCall::LoadCall(std::shared_ptr<grpc::Channel> channel, v1::LoadRequest request,
                   absl::Duration timeout, std::function<void()> on_end)
    : channel_(std::move(channel)), request_(std::move(request)), on_end_(std::move(on_end)) {
  thread_ = std::thread([this, timeout] { Run(timeout); });
}

LoadCall::~LoadCall() {
  context_.TryCancel();
  thread_.join();
}

LoadCall::State LoadCall::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

void LoadCall::Run(absl::Duration timeout) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  const auto stub = v1::Stage::NewStub(channel_);
  const auto reader = stub->Load(&context_, request_);
  v1::LoadProgress progress;
  bool done = false;
  while (reader->Read(&progress)) {
    done = progress.done();
    absl::MutexLock lock(&mutex_);
    state_.progress = progress;
  }
  absl::Status status = FromGrpcStatus(reader->Finish());
  if (status.ok() && !done) {
    status = absl::InternalError("the worker ended the load before it was done");
  }
  {
    absl::MutexLock lock(&mutex_);
    state_.ended = true;
    state_.status = std::move(status);
  }
  on_end_();
}

absl::Status UnloadStage(const std::shared_ptr<grpc::Channel>& channel, uint64_t epoch,
                         absl::Duration timeout) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  v1::UnloadRequest request;
  request.set_epoch(epoch);
  v1::UnloadResponse response;
  return FromGrpcStatus(v1::Stage::NewStub(channel)->Unload(&context, request, &response));
}

absl::StatusOr<std::unique_ptr<StepLink>> StepLink::Open(
    std::shared_ptr<grpc::Channel> channel, uint64_t epoch, absl::Duration timeout,
    std::function<void(absl::Status)> on_broken) {
  std::unique_ptr<StepLink> link(new StepLink(std::move(channel), epoch, std::move(on_broken)));
  absl::MutexLock lock(&link->mutex_);
  const auto opened = [&link]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return link->accepted_ || link->ended_;
  };
  if (!link->mutex_.AwaitWithTimeout(absl::Condition(&opened), timeout)) {
    return absl::DeadlineExceededError(
        absl::StrCat("the first stage did not accept the stream of "
                     "steps within ",
                     absl::FormatDuration(timeout)));
  }
  if (!link->accepted_) return link->status_;
  return link;
}

StepLink::StepLink(std::shared_ptr<grpc::Channel> channel, uint64_t epoch,
                   std::function<void(absl::Status)> on_broken)
    : channel_(std::move(channel)), on_broken_(std::move(on_broken)) {
  context_.AddMetadata(kEpochMetadata, absl::StrCat(epoch));
  context_.set_wait_for_ready(true);
  stream_ = OpenSteps(channel_.get(), &context_);
  reader_ = std::thread([this] { Read(); });
}

StepLink::~StepLink() {
  Cancel();
  reader_.join();
}

void StepLink::Cancel() {
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
  }
  context_.TryCancel();
}

bool StepLink::Send(const v1::StepHeader& header) {
  StepFrame frame;
  frame.header = header;
  return stream_->Write(frame);
}

void StepLink::Read() {
  StepFrame frame;
  if (stream_->Read(&frame)) {
    {
      absl::MutexLock lock(&mutex_);
      accepted_ = true;
    }
    // The stage writes nothing more; this waits for the end.
    while (stream_->Read(&frame)) {
    }
  }
  absl::Status status = FromGrpcStatus(stream_->Finish());
  if (status.ok()) status = absl::UnavailableError("the first stage ended the stream of steps");
  bool report;
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
    status_ = status;
    report = accepted_ && !cancelled_;
  }
  if (report) on_broken_(status);
}

}  // namespace gantry
