#ifndef GANTRY_COORDINATOR_REGISTRY_SERVICE_H_
#define GANTRY_COORDINATOR_REGISTRY_SERVICE_H_

#include "coordinator/cluster.h"
#include "proto/credentials.h"
#include "proto/registry.grpc.pb.h"

namespace gantry {

// The door for workers. Thread-safe.
class RegistryService : public v1::Registry::CallbackService {
 public:
  // Both outlive the service.
  RegistryService(Cluster* cluster, const Credentials* credentials)
      : cluster_(cluster), credentials_(credentials) {}

  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Join(
      grpc::CallbackServerContext* context) override;

 private:
  Cluster* const cluster_;
  const Credentials* const credentials_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_REGISTRY_SERVICE_H_
