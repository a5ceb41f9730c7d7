#ifndef GANTRY_COORDINATOR_HTTP_ROUTER_H_
#define GANTRY_COORDINATOR_HTTP_ROUTER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/http/allowed_hosts.h"
#include "coordinator/http/api_keys.h"
#include "coordinator/http/exchange.h"
#include "coordinator/http/key_meter.h"

namespace gantry {

struct Route {
  std::string method;  // "GET" answers HEAD, too
  std::string path;
  bool open = false;     // to whoever has no key
  bool metered = false;  // counts against the limits of its key
  std::function<void(const std::shared_ptr<Exchange>&)> handle;
  bool below = false;  // also of every path that begins with `path`
};

// Finds the route of each request, and refuses what may not use it: by Host, by key, by method. On
// the server's thread, but for what comes before it starts.
class Router : public HttpHandler {
 public:
  // `keys` absent: none are asked for.
  Router(AllowedHosts hosts, std::optional<ApiKeys> keys, std::shared_ptr<KeyMeter> meter)
      : hosts_(std::move(hosts)), keys_(std::move(keys)), meter_(std::move(meter)) {}
  void Add(Route route) { routes_.push_back(std::move(route)); }
  const std::vector<Route>& routes() const { return routes_; }
  void SetKeys(ApiKeys keys) { keys_ = std::move(keys); }

  std::optional<HttpResponse> CheckHead(HttpRequest* request) override;
  void Handle(std::shared_ptr<Exchange> exchange) override;

 private:
  const Route* Find(const HttpRequest& request) const;
  absl::Status CheckKey(bool metered, HttpRequest* request);
  HttpResponse NoRoute(const HttpRequest& request) const;

  const AllowedHosts hosts_;
  std::optional<ApiKeys> keys_;
  const std::shared_ptr<KeyMeter> meter_;
  std::vector<Route> routes_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_ROUTER_H_
