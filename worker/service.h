#ifndef GANTRY_WORKER_SERVICE_H_
#define GANTRY_WORKER_SERVICE_H_

#include "proto/credentials.h"
#include "proto/step_frame.h"
#include "worker/stage_host.h"

namespace gantry {

// The Stage service of a worker: checks who calls and hands over to the engine.
class WorkerService : public StepService {
 public:
  // Both outlive the service.
  WorkerService(const Credentials* credentials, StageHost* engine)
      : credentials_(credentials), host_(engine) {}

  grpc::Status Load(grpc::ServerContext* context, const v1::LoadRequest* request,
                    grpc::ServerWriter<v1::LoadProgress>* writer) override;
  grpc::Status Unload(grpc::ServerContext* context, const v1::UnloadRequest* request,
                      v1::UnloadResponse* response) override;
  grpc::Status RunSteps(grpc::ServerContext* context, StepReader* stream) override;

 private:
  absl::Status LoadAndReport(grpc::ServerContext* context, const v1::LoadRequest& request,
                             grpc::ServerWriter<v1::LoadProgress>* writer);
  absl::Status TakeFrames(grpc::ServerContext* context, StepReader* stream);

  const Credentials* credentials_;
  StageHost* host_;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_SERVICE_H_
