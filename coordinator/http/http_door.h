#ifndef GANTRY_COORDINATOR_HTTP_HTTP_DOOR_H_
#define GANTRY_COORDINATOR_HTTP_HTTP_DOOR_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/http/http_api.h"
#include "coordinator/http/http_options.h"
#include "coordinator/http/http_server.h"
#include "coordinator/http/router.h"
#include "coordinator/http/work_queue.h"

namespace gantry {

// The door for clients that speak HTTP: server, router, keys and routes put together. Requests go
// to the engine as those of gRPC do. Destroyed after the engine, which may still tell it of
// requests that end.
class HttpDoor {
 public:
  // Errors are those of ApiKeys::Load and HttpServer::Start. Keys are read anew at SIGHUP; a file
  // that is wrong then leaves the old ones in force.
  static absl::StatusOr<std::unique_ptr<HttpDoor>> Open(const HttpOptions& options,
                                                        HttpBackend backend);
  ~HttpDoor();

  const std::string& address() const { return server_->address(); }
  // No request is taken, answered or handed to the engine afterwards.
  void Stop();

 private:
  HttpDoor(const HttpOptions& options, HttpBackend backend, std::optional<ApiKeys> keys);
  void ReloadKeys();

  const HttpOptions options_;
  Router router_;
  std::unique_ptr<WorkQueue> queue_;
  HttpApi api_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_HTTP_DOOR_H_
