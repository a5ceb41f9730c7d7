#ifndef GANTRY_COORDINATOR_HTTP_HTTP_SERVER_H_
#define GANTRY_COORDINATOR_HTTP_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "coordinator/http/exchange.h"
#include "coordinator/http/http_options.h"

namespace gantry {

// HTTP/1.1 on one port, with one thread for all connections. Whoever answers later than at once
// does so by Exchange::Post.
class HttpServer {
 public:
  // Listens; `listen` is HOST:PORT, port 0 for any. INVALID_ARGUMENT when it is neither,
  // UNAVAILABLE when it cannot be had. `handler` outlives the server.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(absl::string_view listen,
                                                           const HttpLimits& limits,
                                                           HttpHandler* handler);
  // Drops what is left.
  ~HttpServer();

  // HOST:PORT with the port that was chosen.
  const std::string& address() const;
  // `call` runs on the server's thread at every SIGHUP, which otherwise ends the process.
  void OnHangup(std::function<void()> call);
  // Takes no more connections, lets answers that have ended go out, and ends the thread.
  void Stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_HTTP_SERVER_H_
