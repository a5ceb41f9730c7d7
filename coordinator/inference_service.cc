#include "coordinator/inference_service.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "coordinator/client_call.h"
#include "coordinator/status_report.h"
#include "proto/status.h"

namespace gantry {
namespace {

// On the clock of the engine.
absl::Duration Deadline(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteDuration();
  return Clock::Real()->Now() + (absl::FromChrono(deadline) - absl::Now());
}

uint64_t RandomSeed() {
  static thread_local std::mt19937_64 generator(std::random_device{}());
  return generator();
}

grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

InferenceService::InferenceService(const ServedModel* model, EngineLoop* engine,
                                   KeptRequests* requests, Cluster* cluster, const TraceLog* traces,
                                   const Credentials* credentials)
    : model_(model),
      engine_(engine),
      requests_(requests),
      cluster_(cluster),
      traces_(traces),
      credentials_(credentials),
      request_context_(model->request_context()) {}

absl::Status InferenceService::CheckCaller(const grpc::CallbackServerContext& context) const {
  const absl::Status client = credentials_->RequireRole(context, kClientRole);
  if (client.ok() || credentials_->RequireRole(context, kCoordinatorRole).ok()) {
    return absl::OkStatus();
  }
  LogWarning(absl::StrCat("refused a client at ", context.peer(), ": ", client.message()));
  return client;
}

grpc::ServerWriteReactor<v1::GenerateResponse>* InferenceService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  const std::shared_ptr<GenerateCall> call = GenerateCall::Make(requests_);
  const absl::Status caller = CheckCaller(*context);
  absl::StatusOr<Request> checked =
      caller.ok() ? CheckGenerate(*request, request_context_, RandomSeed()) : caller;
  if (checked.ok()) {
    checked->client = credentials_->CallerName(*context);
    context->AddInitialMetadata(kRequestIdMetadata, checked->id);
    call->StartSendInitialMetadata();
    call->Start(*request, *std::move(checked), Deadline(*context));
  } else {
    call->OnEnd(checked.status());
  }
  return call.get();
}

grpc::ServerUnaryReactor* InferenceService::Score(grpc::CallbackServerContext* context,
                                                  const v1::ScoreRequest* request,
                                                  v1::ScoreResponse* response) {
  const std::shared_ptr<ScoreCall> call = ScoreCall::Make(engine_, response);
  const absl::Status caller = CheckCaller(*context);
  absl::StatusOr<Request> checked = caller.ok() ? CheckScore(*request, request_context_) : caller;
  if (checked.ok()) {
    checked->client = credentials_->CallerName(*context);
    call->Start(*std::move(checked), Deadline(*context));
  } else {
    call->OnError(checked.status());
  }
  return call.get();
}

grpc::ServerUnaryReactor* InferenceService::Tokenize(grpc::CallbackServerContext* context,
                                                     const v1::TokenizeRequest* request,
                                                     v1::TokenizeResponse* response) {
  const absl::Status caller = CheckCaller(*context);
  return Reply(context, caller.ok() ? DoTokenize(*request, response) : caller);
}

absl::Status InferenceService::DoTokenize(const v1::TokenizeRequest& request,
                                          v1::TokenizeResponse* response) const {
  MarkedText text;
  if (request.has_chat()) {
    GANTRY_ASSIGN_OR_RETURN(text, RenderChat(request.chat(), request_context_));
  } else if (request.input_case() == v1::TokenizeRequest::kPrompt) {
    text = MarkedText(request.prompt());
  } else {
    return absl::InvalidArgumentError("input: expected one of prompt and chat");
  }
  GANTRY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                          Encode(text, request.add_special_tokens(), request_context_));
  response->mutable_token_ids()->Add(ids.begin(), ids.end());
  response->set_text(text.text);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* InferenceService::Detokenize(grpc::CallbackServerContext* context,
                                                       const v1::DetokenizeRequest* request,
                                                       v1::DetokenizeResponse* response) {
  const absl::Status caller = CheckCaller(*context);
  return Reply(context, caller.ok() ? DoDetokenize(*request, response) : caller);
}

absl::Status InferenceService::DoDetokenize(const v1::DetokenizeRequest& request,
                                            v1::DetokenizeResponse* response) const {
  if (model_->tokenizer == nullptr) {
    return absl::FailedPreconditionError("the model has no tokenizer");
  }
  const absl::Span<const int32_t> ids(request.token_ids().data(), request.token_ids_size());
  GANTRY_RETURN_IF_ERROR(CheckTokenIds(ids, request_context_.vocab_size));
  response->set_text(model_->tokenizer->Decode(ids, request.skip_special_tokens()));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* InferenceService::GetStatus(grpc::CallbackServerContext* context,
                                                      const v1::GetStatusRequest* request,
                                                      v1::GetStatusResponse* response) {
  const absl::Status caller = CheckCaller(*context);
  if (caller.ok()) {
    *response = MakeStatus(*model_, cluster_->membership()->Members(), cluster_->report(),
                           engine_->report());
  }
  return Reply(context, caller);
}

grpc::ServerUnaryReactor* InferenceService::GetTraces(grpc::CallbackServerContext* context,
                                                      const v1::GetTracesRequest* request,
                                                      v1::GetTracesResponse* response) {
  const absl::Status caller = CheckCaller(*context);
  return Reply(context, caller.ok() ? DoGetTraces(*context, *request, response) : caller);
}

absl::Status InferenceService::DoGetTraces(const grpc::CallbackServerContext& context,
                                           const v1::GetTracesRequest& request,
                                           v1::GetTracesResponse* response) const {
  TraceLog::Viewer viewer = credentials_->CallerName(context);
  // Without certificates nobody has a name, and whoever reaches the port is trusted with it all.
  if (viewer->empty()) viewer.reset();
  GANTRY_ASSIGN_OR_RETURN(*response, traces_->Get(viewer, request));
  return absl::OkStatus();
}

}  // namespace gantry
