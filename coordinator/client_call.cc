#include "coordinator/client_call.h"

#include <utility>

#include "proto/status.h"

namespace gantry {

void CallCancellation::Attach(uint64_t request) {
  absl::MutexLock lock(&mutex_);
  request_ = request;
  if (cancelled_) engine_->Cancel(request_, absl::CancelledError("the client is gone"));
}

void CallCancellation::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (request_ != 0) engine_->Cancel(request_, absl::CancelledError("the client is gone"));
}

std::shared_ptr<GenerateCall> GenerateCall::Make(EngineLoop* engine) {
  std::shared_ptr<GenerateCall> call(new GenerateCall(engine));
  call->self_ = call;
  return call;
}

void GenerateCall::Start(Request request, absl::Duration deadline) {
  {
    absl::MutexLock lock(&mutex_);
    unfinished_ = request.n;
  }
  cancellation_.Attach(engine_->Submit(std::move(request), self_, deadline));
}

void GenerateCall::OnToken(v1::GeneratedToken token) {
  v1::GenerateResponse response;
  *response.mutable_token() = std::move(token);
  absl::MutexLock lock(&mutex_);
  Push(std::move(response));
}

void GenerateCall::OnFinish(v1::Finish finish) {
  v1::GenerateResponse response;
  *response.mutable_finish() = std::move(finish);
  absl::MutexLock lock(&mutex_);
  Push(std::move(response));
  if (--unfinished_ == 0) End(absl::OkStatus());
}

void GenerateCall::OnError(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  End(status);
}

void GenerateCall::Push(v1::GenerateResponse response) {
  events_.push_back(std::move(response));
  if (events_.size() == 1) StartWrite(&events_.front());
}

void GenerateCall::End(const absl::Status& status) {
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
    StartWrite(&events_.front());
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
  cancellation_.Attach(engine_->Submit(std::move(request), self_, deadline));
}

void ScoreCall::OnError(const absl::Status& status) { Finish(ToGrpcStatus(status)); }

void ScoreCall::OnDone() { const std::shared_ptr<ScoreCall> self = std::move(self_); }

}  // namespace gantry
