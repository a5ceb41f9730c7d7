#include "tests/client/fake_inference.h"

#include "absl/strings/str_cat.h"
#include "proto/channel.h"

namespace gantry {

v1::GenerateResponse TokenEvent(int index, int token_id, const std::string& text, float logprob) {
  v1::GenerateResponse event;
  event.mutable_token()->set_index(index);
  event.mutable_token()->set_token_id(token_id);
  event.mutable_token()->set_text(text);
  event.mutable_token()->set_logprob(logprob);
  return event;
}

v1::GenerateResponse FinishEvent(v1::FinishReason reason, const std::string& text,
                                 int prompt_tokens, int completion_tokens) {
  v1::GenerateResponse event;
  event.mutable_finish()->set_reason(reason);
  event.mutable_finish()->set_text(text);
  event.mutable_finish()->set_prompt_tokens(prompt_tokens);
  event.mutable_finish()->set_completion_tokens(completion_tokens);
  return event;
}

FakeInference::FakeInference() {
  grpc::ServerBuilder builder;
  ConfigureServer(&builder, 16 << 20);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

FakeInference::~FakeInference() { server_->Shutdown(absl::ToChronoTime(absl::InfinitePast())); }

std::string FakeInference::target() const { return absl::StrCat("127.0.0.1:", port_); }

Client FakeInference::MakeClient() const { return *Client::Make(target(), *Credentials::Load({})); }

std::vector<v1::GenerateRequest> FakeInference::generate_requests() const {
  absl::MutexLock lock(&mutex_);
  return generate_requests_;
}

v1::ScoreRequest FakeInference::score_request() const {
  absl::MutexLock lock(&mutex_);
  return score_request_;
}

v1::TokenizeRequest FakeInference::tokenize_request() const {
  absl::MutexLock lock(&mutex_);
  return tokenize_request_;
}

v1::DetokenizeRequest FakeInference::detokenize_request() const {
  absl::MutexLock lock(&mutex_);
  return detokenize_request_;
}

grpc::Status FakeInference::Generate(grpc::ServerContext* context,
                                     const v1::GenerateRequest* request,
                                     grpc::ServerWriter<v1::GenerateResponse>* writer) {
  {
    absl::MutexLock lock(&mutex_);
    generate_requests_.push_back(*request);
  }
  if (generate) return generate(context, *request, writer);
  for (const v1::GenerateResponse& event : events) writer->Write(event);
  return end;
}

grpc::Status FakeInference::Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                                  v1::ScoreResponse* response) {
  absl::MutexLock lock(&mutex_);
  score_request_ = *request;
  *response = score;
  return end;
}

grpc::Status FakeInference::Tokenize(grpc::ServerContext*, const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) {
  absl::MutexLock lock(&mutex_);
  tokenize_request_ = *request;
  *response = tokens;
  return end;
}

grpc::Status FakeInference::Detokenize(grpc::ServerContext*, const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) {
  absl::MutexLock lock(&mutex_);
  detokenize_request_ = *request;
  *response = text;
  return end;
}

grpc::Status FakeInference::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                                      v1::GetStatusResponse* response) {
  *response = status;
  return grpc::Status::OK;
}

grpc::Status FakeInference::GetTraces(grpc::ServerContext*, const v1::GetTracesRequest* request,
                                      v1::GetTracesResponse* response) {
  absl::MutexLock lock(&mutex_);
  if (generate_requests_.empty() || generate_requests_.back().request_id() != request->request_id())
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such request");
  *response = traces;
  return grpc::Status::OK;
}

void WriteUntilCancelled(grpc::ServerContext* context,
                         grpc::ServerWriter<v1::GenerateResponse>* writer) {
  while (!context->IsCancelled() && writer->Write(TokenEvent(0, 0, ""))) {
  }
}

}  // namespace gantry
