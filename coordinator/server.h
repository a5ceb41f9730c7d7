#ifndef GANTRY_COORDINATOR_SERVER_H_
#define GANTRY_COORDINATOR_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/socket_folder.h"
#include "coordinator/cluster.h"
#include "coordinator/engine_loop.h"
#include "coordinator/http/http_door.h"
#include "coordinator/inference_service.h"
#include "coordinator/kept_requests.h"
#include "coordinator/metrics.h"
#include "coordinator/observer_list.h"
#include "coordinator/options.h"
#include "coordinator/registry_service.h"
#include "coordinator/request_log.h"
#include "coordinator/result_service.h"
#include "coordinator/served_model.h"
#include "coordinator/trace_log.h"
#include "proto/credentials.h"

namespace gantry {

// Everything a coordinator serves, on one port: Inference, Registry, Stage (for results), health
// and reflection; and the same on a UNIX socket that only its user may enter. If asked for, also
// HTTP on a port of its own.
class Server {
 public:
  // Listens and waits for workers. `on_misfit` is called when the first placement does not fit.
  // INVALID_ARGUMENT for an address that workers could not be told, FAILED_PRECONDITION for one
  // that may not be served, UNAVAILABLE when the port cannot be had. The pointers outlive the
  // server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const CoordinatorOptions* options, const ServedModel* model,
      std::optional<DeviceMap> device_map, const Credentials* credentials,
      std::function<void(const absl::Status&)> on_misfit);
  ~Server();

  // HOST:PORT with the port that was chosen, or unix:PATH.
  const std::string& address() const { return address_; }
  // HOST:PORT, or empty without HTTP.
  std::string http_address() const { return http_ == nullptr ? "" : http_->address(); }

  // Takes no new requests and waits for those that run, at most options.drain; then ends them.
  // Workers unload. `hurry`, asked now and then, cuts the wait short.
  void Stop(const std::function<bool()>& hurry);

 private:
  Server(const CoordinatorOptions* options, const ServedModel* model,
         std::optional<DeviceMap> device_map, const Credentials* credentials,
         std::function<void(const absl::Status&)> on_misfit);
  absl::Status Listen();
  absl::Status OpenHttp(const ServedModel* model);
  void SetServing(bool serving);

  const CoordinatorOptions* const options_;
  const Credentials* const credentials_;
  std::string address_;
  std::optional<SocketFolder> socket_folder_;
  std::atomic<bool> stopping_ = false;
  Metrics metrics_;
  TraceLog traces_;
  RequestLog request_log_;
  ObserverList observers_;
  std::unique_ptr<HttpDoor> http_;  // null: none
  // Made when the engine is, and outlives it: the engine ends what runs.
  std::optional<KeptRequests> requests_;
  EngineLoop engine_;
  Cluster cluster_;
  InferenceService inference_;
  RegistryService registry_;
  ResultService results_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_SERVER_H_
