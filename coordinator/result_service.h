#ifndef GANTRY_COORDINATOR_RESULT_SERVICE_H_
#define GANTRY_COORDINATOR_RESULT_SERVICE_H_

#include "coordinator/cluster.h"
#include "coordinator/engine_loop.h"
#include "proto/credentials.h"
#include "proto/step_frame.h"

namespace gantry {

// Where the last stage delivers tokens: the coordinator's side of Stage. Load and Unload are
// UNIMPLEMENTED here.
class ResultService : public StepService {
 public:
  // All outlive the service.
  ResultService(Cluster* cluster, EngineLoop* engine, const Credentials* credentials)
      : cluster_(cluster), engine_(engine), credentials_(credentials) {}

  grpc::Status RunSteps(grpc::ServerContext* context, StepReader* stream) override;

 private:
  Cluster* const cluster_;
  EngineLoop* const engine_;
  const Credentials* const credentials_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_RESULT_SERVICE_H_
