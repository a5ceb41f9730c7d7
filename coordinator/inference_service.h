#ifndef GANTRY_COORDINATOR_INFERENCE_SERVICE_H_
#define GANTRY_COORDINATOR_INFERENCE_SERVICE_H_

#include "coordinator/cluster.h"
#include "coordinator/engine_loop.h"
#include "coordinator/kept_requests.h"
#include "coordinator/request.h"
#include "coordinator/served_model.h"
#include "coordinator/trace_log.h"
#include "proto/credentials.h"
#include "proto/inference.grpc.pb.h"

namespace gantry {

// The door for clients: checks requests and hands them to the engine. No call holds a thread while
// it waits. Thread-safe.
class InferenceService : public v1::Inference::CallbackService {
 public:
  // All outlive the service.
  InferenceService(const ServedModel* model, EngineLoop* engine, KeptRequests* requests,
                   Cluster* cluster, const TraceLog* traces, const Credentials* credentials);

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerUnaryReactor* Score(grpc::CallbackServerContext* context,
                                  const v1::ScoreRequest* request,
                                  v1::ScoreResponse* response) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* GetTraces(grpc::CallbackServerContext* context,
                                      const v1::GetTracesRequest* request,
                                      v1::GetTracesResponse* response) override;

 private:
  // Clients may call, and so may a coordinator.
  absl::Status CheckCaller(const grpc::CallbackServerContext& context) const;
  absl::Status DoTokenize(const v1::TokenizeRequest& request, v1::TokenizeResponse* response) const;
  absl::Status DoDetokenize(const v1::DetokenizeRequest& request,
                            v1::DetokenizeResponse* response) const;
  absl::Status DoGetTraces(const grpc::CallbackServerContext& context,
                           const v1::GetTracesRequest& request,
                           v1::GetTracesResponse* response) const;

  const ServedModel* const model_;
  EngineLoop* const engine_;
  KeptRequests* const requests_;
  Cluster* const cluster_;
  const TraceLog* const traces_;
  const Credentials* const credentials_;
  const RequestContext request_context_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_INFERENCE_SERVICE_H_
