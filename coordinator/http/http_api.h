#ifndef GANTRY_COORDINATOR_HTTP_HTTP_API_H_
#define GANTRY_COORDINATOR_HTTP_HTTP_API_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/engine_loop.h"
#include "coordinator/http/exchange.h"
#include "coordinator/http/openai_request.h"
#include "coordinator/http/readiness.h"
#include "coordinator/http/router.h"
#include "coordinator/http/work_queue.h"
#include "coordinator/request.h"
#include "coordinator/trace_log.h"
#include "proto/inference.pb.h"

namespace gantry {

// What the routes are answered from. All outlive them.
struct HttpBackend {
  std::string model_name;  // as clients call it
  RequestContext context;
  EngineLoop* engine = nullptr;
  std::function<v1::GetStatusResponse()> status;
  std::function<std::string()> metrics;  // Prometheus' text
  const TraceLog* traces = nullptr;
  bool clients_have_names = false;  // over gRPC: they have certificates
};

// The routes: OpenAI's API, and what load balancers, scripts and people ask for.
class HttpApi {
 public:
  // `queue` outlives this, and this outlives the requests of its routes.
  HttpApi(HttpBackend backend, WorkQueue* queue);
  void AddRoutes(Router* router);

 private:
  using ExchangePtr = std::shared_ptr<Exchange>;
  using BodyReader = std::function<absl::StatusOr<Json>(const std::string& body)>;
  // A route that answers a GET at once.
  Route Page(std::string path, bool open, std::function<HttpResponse()> page);
  // A route whose answer is computed from the body, on the queue.
  Route Computed(std::string path, BodyReader compute);
  Route Generation(std::string path, OpenAiApi api);
  // With `below` each path below names a request.
  Route Traces(std::string path, bool below);
  // Without an id all that may be seen, and otherwise those of the id with their steps.
  absl::StatusOr<Json> TracesJson(const TraceLog::Viewer& viewer,
                                  absl::string_view encoded_id) const;
  absl::Status CheckModel(const std::string& model) const;
  Json Model() const;
  absl::StatusOr<Json> Tokenize(const std::string& body) const;
  absl::StatusOr<Json> Detokenize(const std::string& body) const;

  const HttpBackend backend_;
  WorkQueue* const queue_;
  const int64_t started_;  // seconds since 1970
  std::shared_ptr<Readiness> readiness_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_HTTP_API_H_
