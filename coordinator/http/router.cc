#include "coordinator/http/router.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "coordinator/http/http_error.h"

namespace gantry {
namespace {

constexpr size_t kMaxShownBytes = 80;

bool IsAt(const Route& route, const std::string& path) {
  return route.path == path || (route.below && absl::StartsWith(path, route.path));
}

}  // namespace

std::optional<HttpResponse> Router::CheckHead(HttpRequest* request) {
  absl::Status status = hosts_.Check(request->host, request->origin);
  if (!status.ok()) return ErrorResponse(status);
  const Route* const route = Find(*request);
  if (route == nullptr || !route->open) {
    status = CheckKey(route != nullptr && route->metered, request);
    if (!status.ok()) return ErrorResponse(status);
  }
  if (route == nullptr) return NoRoute(*request);
  return std::nullopt;
}

void Router::Handle(std::shared_ptr<Exchange> exchange) {
  Find(exchange->request())->handle(exchange);
}

const Route* Router::Find(const HttpRequest& request) const {
  const std::string& method = request.method == "HEAD" ? "GET" : request.method;
  for (const Route& route : routes_) {
    if (IsAt(route, request.path) && route.method == method) return &route;
  }
  return nullptr;
}

absl::Status Router::CheckKey(bool metered, HttpRequest* request) {
  if (!keys_.has_value()) return absl::OkStatus();
  GANTRY_ASSIGN_OR_RETURN(const std::string name, keys_->Authenticate(request->authorization));
  GANTRY_ASSIGN_OR_RETURN(request->key, meter_->Admit(name, metered));
  return absl::OkStatus();
}

HttpResponse Router::NoRoute(const HttpRequest& request) const {
  std::vector<std::string> methods;
  for (const Route& route : routes_) {
    if (IsAt(route, request.path)) methods.push_back(route.method);
  }
  const std::string path = ReplaceInvalidUtf8(request.path.substr(0, kMaxShownBytes));
  if (methods.empty()) {
    return ErrorResponse(MakeHttpError(404, absl::StrCat("there is no ", path, " here")));
  }
  const std::string allowed = absl::StrJoin(methods, ", ");
  HttpResponse response =
      ErrorResponse(MakeHttpError(405, absl::StrCat(path, ": expected ", allowed, ", found ",
                                                    request.method.substr(0, kMaxShownBytes))));
  response.headers.emplace_back("Allow", allowed);
  return response;
}

}  // namespace gantry
