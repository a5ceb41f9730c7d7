#ifndef GANTRY_TESTS_CLIENT_FAKE_INFERENCE_H_
#define GANTRY_TESTS_CLIENT_FAKE_INFERENCE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "client/client.h"
#include "grpcpp/grpcpp.h"
#include "proto/inference.grpc.pb.h"

namespace gantry {

v1::GenerateResponse TokenEvent(int index, int token_id, const std::string& text,
                                float logprob = 0);
v1::GenerateResponse FinishEvent(v1::FinishReason reason, const std::string& text,
                                 int prompt_tokens, int completion_tokens);

// A gantry.v1.Inference that answers as the test says, on a free port of loopback.
class FakeInference : public v1::Inference::Service {
 public:
  using GenerateFunction = std::function<grpc::Status(
      grpc::ServerContext*, const v1::GenerateRequest&, grpc::ServerWriter<v1::GenerateResponse>*)>;

  FakeInference();
  ~FakeInference() override;

  std::string target() const;
  Client MakeClient() const;

  // Set before the first call. Generate answers with these events, then with `end`; or as
  // `generate` says, if it is set.
  std::vector<v1::GenerateResponse> events;
  grpc::Status end;
  GenerateFunction generate;
  v1::ScoreResponse score;
  v1::TokenizeResponse tokens;
  v1::DetokenizeResponse text;
  v1::GetStatusResponse status;
  v1::GetTracesResponse traces;

  // What was asked, in order of arrival.
  std::vector<v1::GenerateRequest> generate_requests() const;
  v1::ScoreRequest score_request() const;
  v1::TokenizeRequest tokenize_request() const;
  v1::DetokenizeRequest detokenize_request() const;

  grpc::Status Generate(grpc::ServerContext* context, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) override;
  grpc::Status Score(grpc::ServerContext* context, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override;
  grpc::Status Tokenize(grpc::ServerContext* context, const v1::TokenizeRequest* request,
                        v1::TokenizeResponse* response) override;
  grpc::Status Detokenize(grpc::ServerContext* context, const v1::DetokenizeRequest* request,
                          v1::DetokenizeResponse* response) override;
  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::GetStatusResponse* response) override;
  // What is asked for is the last Generate's, or NOT_FOUND.
  grpc::Status GetTraces(grpc::ServerContext* context, const v1::GetTracesRequest* request,
                         v1::GetTracesResponse* response) override;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  mutable absl::Mutex mutex_;
  std::vector<v1::GenerateRequest> generate_requests_ ABSL_GUARDED_BY(mutex_);
  v1::ScoreRequest score_request_ ABSL_GUARDED_BY(mutex_);
  v1::TokenizeRequest tokenize_request_ ABSL_GUARDED_BY(mutex_);
  v1::DetokenizeRequest detokenize_request_ ABSL_GUARDED_BY(mutex_);
};

// Returns when the caller of `context` has gone. There is no event for it in gRPC's synchronous
// server but a failing write, so this writes tokens without text until one fails.
void WriteUntilCancelled(grpc::ServerContext* context,
                         grpc::ServerWriter<v1::GenerateResponse>* writer);

}  // namespace gantry

#endif  // GANTRY_TESTS_CLIENT_FAKE_INFERENCE_H_
