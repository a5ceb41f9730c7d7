#include "coordinator/server.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "coordinator/listen_address.h"
#include "coordinator/status_report.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "proto/channel.h"
#include "proto/host_id.h"

namespace gantry {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;
constexpr char kStopping[] = "the coordinator is being stopped";
constexpr absl::Duration kDrainPoll = absl::Milliseconds(20);
constexpr absl::Duration kShutdownTime = absl::Seconds(1);

EngineOptions MakeEngineOptions(const CoordinatorOptions& options, EngineObserver* observer) {
  EngineOptions engine;
  engine.block_size = options.block_size;
  engine.max_step_tokens = options.max_step_tokens;
  engine.max_step_rows = MaxStepRows(options);
  engine.max_sequences = options.max_sequences;
  engine.max_queue = options.max_queue;
  engine.recovery_timeout = options.recovery_timeout;
  engine.share_prefixes = options.share_prefixes;
  engine.share_prefixes_across_clients = options.share_prefixes_across_clients;
  engine.max_decode_slowdown = options.max_decode_slowdown;
  engine.max_steps_in_flight = options.max_steps_in_flight;
  engine.observer = observer;
  return engine;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const CoordinatorOptions* options, const ServedModel* model,
    std::optional<DeviceMap> device_map, const Credentials* credentials,
    std::function<void(const absl::Status&)> on_misfit) {
  GANTRY_RETURN_IF_ERROR(credentials->CheckAddress(options->listen));
  GANTRY_RETURN_IF_ERROR(CheckListenAddress(options->listen, options->advertise));
  if (!options->http.listen.empty()) {
    if (!IsHostPort(options->http.listen)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--http: expected HOST:PORT, found \"", options->http.listen, "\""));
    }
    GANTRY_RETURN_IF_ERROR(credentials->CheckHttpAddress(options->http.listen));
  }
  std::unique_ptr<Server> server(
      new Server(options, model, std::move(device_map), credentials, std::move(on_misfit)));
  GANTRY_RETURN_IF_ERROR(server->Listen());
  if (!options->http.listen.empty()) GANTRY_RETURN_IF_ERROR(server->OpenHttp(model));
  v1::Endpoint results;
  results.set_address(options->advertise.empty() ? server->address_ : options->advertise);
  if (server->socket_folder_.has_value()) {
    results.set_unix_path(server->socket_folder_->socket_path());
    results.set_host_id(HostId());
  }
  server->cluster_.Start(std::move(results));
  return server;
}

Server::Server(const CoordinatorOptions* options, const ServedModel* model,
               std::optional<DeviceMap> device_map, const Credentials* credentials,
               std::function<void(const absl::Status&)> on_misfit)
    : options_(options),
      credentials_(credentials),
      metrics_(model->name, model->context),
      traces_(Clock::Real()),
      observers_({&metrics_, &traces_, &request_log_}),
      engine_(MakeEngineOptions(*options, &observers_), &model->config, model->tokenizer.get(),
              Clock::Real()),
      cluster_(options, model, std::move(device_map), credentials, Clock::Real(), &engine_,
               {[this](bool ready) { SetServing(ready); }, std::move(on_misfit)}),
      inference_(model, &engine_,
                 &requests_.emplace(KeptRequestsOptions{.timeout = options->resume_timeout},
                                    &engine_, Clock::Real()),
                 &cluster_, &traces_, credentials),
      registry_(&cluster_, credentials),
      results_(&cluster_, &engine_, credentials) {}

Server::~Server() {
  Stop([] { return true; });
}

absl::Status Server::Listen() {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  ConfigureServer(&builder, kMaxMessageBytes);
  const bool on_socket = absl::StartsWith(options_->listen, "unix:");
  int port = 0;
  builder.AddListeningPort(options_->listen,
                           on_socket ? grpc::InsecureServerCredentials() : credentials_->Server(),
                           &port);
  // Without the socket, workers of this host use TCP like all others.
  absl::StatusOr<SocketFolder> folder = SocketFolder::Create();
  if (folder.ok()) {
    socket_folder_.emplace(*std::move(folder));
    builder.AddListeningPort(absl::StrCat("unix:", socket_folder_->socket_path()),
                             grpc::InsecureServerCredentials());
  }
  builder.RegisterService(&inference_);
  builder.RegisterService(&registry_);
  builder.RegisterService(&results_);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return ExplainListenFailure(options_->listen);
  SetServing(false);
  address_ =
      on_socket ? options_->listen : absl::StrCat(HostOfAddress(options_->listen), ":", port);
  return absl::OkStatus();
}

absl::Status Server::OpenHttp(const ServedModel* model) {
  HttpBackend backend;
  backend.model_name = options_->http.model_name.empty() ? model->name : options_->http.model_name;
  backend.context = model->request_context();
  backend.engine = &engine_;
  backend.traces = &traces_;
  backend.clients_have_names = credentials_->tls();
  backend.status = [this, model] {
    v1::GetStatusResponse status =
        MakeStatus(*model, cluster_.membership()->Members(), cluster_.report(), engine_.report());
    if (stopping_) {
      status.set_ready(false);
      status.set_reason(kStopping);
    }
    return status;
  };
  backend.metrics = [this, status = backend.status] { return metrics_.Text(status()); };
  GANTRY_ASSIGN_OR_RETURN(http_, HttpDoor::Open(options_->http, std::move(backend)));
  return absl::OkStatus();
}

void Server::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* const health = server_->GetHealthCheckService();
  for (const char* service : {"", v1::Inference::service_full_name()}) {
    health->SetServingStatus(service, serving);
  }
}

void Server::Stop(const std::function<bool()>& hurry) {
  if (server_ == nullptr) return;
  const absl::Status why = absl::UnavailableError(kStopping);
  stopping_ = true;
  SetServing(false);
  engine_.RefuseNew(why);
  const absl::Time end = absl::Now() + options_->drain;
  while (!hurry() && absl::Now() < end) {
    const v1::Counters counters = engine_.report().counters;
    if (counters.requests_running() + counters.requests_waiting() == 0) break;
    absl::SleepFor(kDrainPoll);
  }
  cluster_.Stop(why);
  if (http_ != nullptr) http_->Stop();
  server_->Shutdown(absl::ToChronoTime(absl::Now() + kShutdownTime));
  server_ = nullptr;
}

}  // namespace gantry
