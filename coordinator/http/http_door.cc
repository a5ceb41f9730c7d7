#include "coordinator/http/http_door.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr int kWorkers = 2;

}  // namespace

absl::StatusOr<std::unique_ptr<HttpDoor>> HttpDoor::Open(const HttpOptions& options,
                                                         HttpBackend backend) {
  std::optional<ApiKeys> keys;
  if (!options.api_key_file.empty()) {
    absl::StatusOr<ApiKeys> loaded = ApiKeys::Load(options.api_key_file);
    if (!loaded.ok()) return Annotate(loaded.status(), "--api_key_file");
    keys = *std::move(loaded);
  }
  std::unique_ptr<HttpDoor> door(new HttpDoor(options, std::move(backend), std::move(keys)));
  GANTRY_ASSIGN_OR_RETURN(door->server_,
                          HttpServer::Start(options.listen, options.limits, &door->router_));
  if (!options.api_key_file.empty()) {
    door->server_->OnHangup([raw = door.get()] { raw->ReloadKeys(); });
  }
  return door;
}

HttpDoor::HttpDoor(const HttpOptions& options, HttpBackend backend, std::optional<ApiKeys> keys)
    : options_(options),
      router_(AllowedHosts(options.listen, options.allowed_hosts), std::move(keys),
              std::make_shared<KeyMeter>(options.key_limits, Clock::Real())),
      queue_(std::make_unique<WorkQueue>(kWorkers)),
      api_(std::move(backend), queue_.get()) {
  api_.AddRoutes(&router_);
}

HttpDoor::~HttpDoor() { Stop(); }

void HttpDoor::Stop() {
  if (server_ != nullptr) server_->Stop();
  queue_ = nullptr;
}

void HttpDoor::ReloadKeys() {
  absl::StatusOr<ApiKeys> keys = ApiKeys::Load(options_.api_key_file);
  if (!keys.ok()) {
    LogError(absl::StrCat("the API keys stay as they were: ", keys.status().message()));
    return;
  }
  LogInfo(absl::StrCat("read ", keys->size(), " API keys from ", options_.api_key_file));
  router_.SetKeys(*std::move(keys));
}

}  // namespace gantry
