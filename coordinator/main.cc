// The coordinator: waits for workers, places the model on them, and serves it.

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/exit_code.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/json.h"
#include "base/log.h"
#include "base/version.h"
#include "coordinator/coordinator_flags.h"
#include "coordinator/exit_request.h"
#include "coordinator/served_model.h"
#include "coordinator/server.h"
#include "model/hub.h"
#include "plan/placement.h"
#include "proto/grpc_log.h"

namespace gantry {
namespace {

int Fail(int exit_code, const absl::Status& status) {
  LogError(status.message());
  return exit_code;
}

// As of the planner and of quantize: a name that nobody knows is wrong usage, and a path that leads
// to no model is a bad checkpoint.
int CodeOfModelError(const absl::Status& status, const CoordinatorOptions& options) {
  if (absl::IsOutOfRange(status)) return kExitUsage;  // of a flag
  const std::string& model = options.model;
  const bool is_path = model[0] == '/' || model[0] == '.' || FileExists(model);
  const bool is_unknown = absl::IsNotFound(ResolveModel(model, options.model_root).status());
  return is_unknown && !is_path ? kExitUsage : kExitBadCheckpoint;
}

absl::StatusOr<std::optional<DeviceMap>> ReadDeviceMap(const std::string& path) {
  if (path.empty()) return std::optional<DeviceMap>();
  absl::StatusOr<Json> json = ReadJsonFile(path);
  if (!json.ok()) return json.status();
  absl::StatusOr<DeviceMap> map = ParseDeviceMap(*json, path);
  if (!map.ok()) return map.status();
  return std::optional<DeviceMap>(*std::move(map));
}

int Run(const CoordinatorOptions& options) {
  ExitRequest* const exit_request = ExitRequest::Get();
  RouteGrpcLog();
  LogInfo(absl::StrCat("version ", kVersion, ", protocol ", kProtocolVersion));
  const absl::StatusOr<Credentials> credentials = Credentials::Load(options.tls);
  if (!credentials.ok()) return Fail(kExitUsage, credentials.status());
  absl::StatusOr<std::optional<DeviceMap>> device_map = ReadDeviceMap(options.device_map_file);
  if (!device_map.ok()) return Fail(kExitUsage, device_map.status());
  const absl::StatusOr<std::unique_ptr<ServedModel>> model = ServedModel::Open(options);
  if (!model.ok()) return Fail(CodeOfModelError(model.status(), options), model.status());
  if (const absl::Status status = (*model)->UseServingRequest(options.serving); !status.ok()) {
    return Fail(absl::IsInvalidArgument(status) ? kExitUsage : kExitBadCheckpoint, status);
  }

  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(&options, model->get(), *std::move(device_map), &*credentials,
                    [exit_request](const absl::Status&) { exit_request->Set(kExitDoesNotFit); });
  if (!server.ok()) {
    const bool usage = absl::IsInvalidArgument(server.status()) ||
                       absl::IsFailedPrecondition(server.status()) ||
                       absl::IsNotFound(server.status());  // a file that a flag names
    return Fail(usage ? kExitUsage : kExitFailed, server.status());
  }
  LogInfo(absl::StrCat("listening on ", (*server)->address()));
  if (const std::string http = (*server)->http_address(); !http.empty()) {
    LogInfo(absl::StrCat("HTTP at http://", http));
  }
  const int exit_code = exit_request->Wait();
  (*server)->Stop([exit_code] { return exit_code != kExitDone; });
  return exit_code;
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) {
  const std::vector<std::string> arguments = gantry::ParseFlags(
      argc, argv,
      "coordinator --model DIR_or_NAME [--listen HOST:PORT] [--http HOST:PORT] [--min_workers "
      "N]\n\n"
      "Waits for workers, places the model on them and serves it over gRPC, and with --http as "
      "OpenAI's API.",
      {"coordinator/coordinator_flags.cc", "coordinator/http/http_flags.cc",
       "plan/serving_flags.cc"});
  if (!arguments.empty()) {
    gantry::UsageError(absl::StrCat("unexpected argument \"", arguments[0], "\""));
  }
  const absl::StatusOr<gantry::CoordinatorOptions> options = gantry::OptionsFromFlags();
  if (!options.ok()) gantry::UsageError(options.status().message());
  return gantry::Run(*options);
}
