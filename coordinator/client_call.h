#ifndef GANTRY_COORDINATOR_CLIENT_CALL_H_
#define GANTRY_COORDINATOR_CLIENT_CALL_H_

#include <deque>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "coordinator/engine_loop.h"
#include "coordinator/kept_requests.h"
#include "coordinator/sequence.h"
#include "proto/inference.grpc.pb.h"

namespace gantry {

// A client's call as the engine sees it: events go out by gRPC's callback API, and a client that is
// gone gives its request up. Each keeps itself alive until gRPC is done with it.

// Ties a call to its request, whichever of the two ends first. Thread-safe.
class CallCancellation {
 public:
  // `leave` gives up the request that the call waits for.
  void Attach(std::function<void()> leave);
  // The client is gone.
  void Cancel();

 private:
  absl::Mutex mutex_;
  std::function<void()> leave_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

// Generate. Events that the client has not read yet wait here; there are never more of them than
// the request has tokens.
class GenerateCall : public grpc::ServerWriteReactor<v1::GenerateResponse>, public MessageSink {
 public:
  static std::shared_ptr<GenerateCall> Make(KeptRequests* requests);
  // `request` is `asked` as it was checked.
  void Start(const v1::GenerateRequest& asked, Request request, absl::Duration deadline);

  void OnMessage(std::shared_ptr<const v1::GenerateResponse> message) override;
  void OnEnd(const absl::Status& status) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override { cancellation_.Cancel(); }
  void OnDone() override;

 private:
  explicit GenerateCall(KeptRequests* requests) : requests_(requests) {}

  KeptRequests* const requests_;
  CallCancellation cancellation_;
  std::shared_ptr<GenerateCall> self_;
  absl::Mutex mutex_;
  // The front is being written.
  std::deque<std::shared_ptr<const v1::GenerateResponse>> events_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // nothing follows
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

// Score.
class ScoreCall : public grpc::ServerUnaryReactor, public RequestSink {
 public:
  static std::shared_ptr<ScoreCall> Make(EngineLoop* engine, v1::ScoreResponse* response);
  void Start(Request request, absl::Duration deadline);

  void OnToken(v1::GeneratedToken) override {}
  void OnScored(v1::ScoredToken token) override { *response_->add_tokens() = std::move(token); }
  void OnFinish(v1::Finish) override { Finish(grpc::Status::OK); }
  void OnError(const absl::Status& status) override;

  void OnCancel() override { cancellation_.Cancel(); }
  void OnDone() override;

 private:
  ScoreCall(EngineLoop* engine, v1::ScoreResponse* response)
      : engine_(engine), response_(response) {}

  EngineLoop* const engine_;
  CallCancellation cancellation_;
  v1::ScoreResponse* const response_;
  std::shared_ptr<ScoreCall> self_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_CLIENT_CALL_H_
