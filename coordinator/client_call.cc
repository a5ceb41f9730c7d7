#include "coordinator/client_call.h"

#include <utility>

#include "proto/status.h"

namespace gantry {

void CallCancellation::Attach(std::function<void()> leave) {
  absl::MutexLock lock(&mutex_);
  leave_ = std::move(leave);
  if (cancelled_) leave_();
}

void CallCancellation::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (leave_ != nullptr) leave_();
}

std::shared_ptr<GenerateCall> GenerateCall::Make(KeptRequests* requests) {
  std::shared_ptr<GenerateCall> call(new GenerateCall(requests));
  call->self_ = call;
  return call;
}

void GenerateCall::Start(const v1::GenerateRequest& asked, Request request,
                         absl::Duration deadline) {
  const std::shared_ptr<KeptRequests::Record> record =
      requests_->Start(asked, std::move(request), deadline, self_);
  if (record != nullptr) cancellation_.Attach([this, record] { requests_->Leave(record, this); });
}

void GenerateCall::OnMessage(std::shared_ptr<const v1::GenerateResponse> message) {
  absl::MutexLock lock(&mutex_);
  events_.push_back(std::move(message));
  if (events_.size() == 1) StartWrite(events_.front().get());
}

void GenerateCall::OnEnd(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  ended_ = true;
  status_ = status;
  if (events_.empty()) Finish(ToGrpcStatus(status_));
}

void GenerateCall::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  if (ok) {
    events_.pop_front();
  } else {
    events_.clear();  // the client is gone; OnCancel tells the engine
  }
  if (!events_.empty()) {
    StartWrite(events_.front().get());
  } else if (ended_) {
    Finish(ToGrpcStatus(status_));
  }
}

void GenerateCall::OnDone() { const std::shared_ptr<GenerateCall> self = std::move(self_); }

std::shared_ptr<ScoreCall> ScoreCall::Make(EngineLoop* engine, v1::ScoreResponse* response) {
  std::shared_ptr<ScoreCall> call(new ScoreCall(engine, response));
  call->self_ = call;
  return call;
}

void ScoreCall::Start(Request request, absl::Duration deadline) {
  const uint64_t id = engine_->Submit(std::move(request), self_, deadline);
  cancellation_.Attach(
      [this, id] { engine_->Cancel(id, absl::CancelledError("the client is gone")); });
}

void ScoreCall::OnError(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

void ScoreCall::OnDone() { const std::shared_ptr<ScoreCall> self = std::move(self_); }

}  // namespace gantry
