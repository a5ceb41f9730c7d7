#include "worker/worker.h"

#include <unistd.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "proto/channel.h"
#include "proto/host_id.h"
#include "worker/host_memory_info.h"

namespace gantry {
namespace {

constexpr absl::Duration kShutdown = absl::Milliseconds(200);

std::string DefaultName() {
  char host[256] = "worker";
  gethostname(host, sizeof(host) - 1);
  return absl::StrCat(host, "-", getpid());
}

std::string RandomInstance() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

// host of "host:port" or "[host]:port".
absl::StatusOr<std::string> HostOf(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen: expected HOST:PORT, found \"", address, "\""));
  }
  return address.substr(0, colon);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> Worker::Start(const WorkerOptions& options) {
  std::unique_ptr<Worker> worker(new Worker());
  worker->name_ = options.name.empty() ? DefaultName() : options.name;
  GANTRY_ASSIGN_OR_RETURN(worker->credentials_, Credentials::Load(options.tls));
  GANTRY_RETURN_IF_ERROR(Annotate(worker->credentials_.CheckAddress(options.listen), "--listen"));
  GANTRY_ASSIGN_OR_RETURN(worker->device_, OpenDevice(options));
  const v1::DeviceFacts& facts = worker->device_.facts;
  LogInfo(absl::StrCat(worker->name_, ": ", facts.description(), ", offers ",
                       FormatBytes(facts.memory_bytes()), ", reads ",
                       FormatBytes(static_cast<uint64_t>(facts.read_bytes_per_s())), "/s"));
  absl::StatusOr<SocketFolder> folder = SocketFolder::Create();
  if (folder.ok()) {
    worker->socket_folder_.emplace(*std::move(folder));
  } else {
    LogWarning(absl::StrCat(folder.status().message(), "; serving TCP alone"));
  }
  Worker* self = worker.get();
  StageHostOptions host;
  host.worker = worker->name_;
  host.model_root = options.model_root;
  host.memory_bytes = facts.memory_bytes();
  host.chooses_types = worker->device_.chooses_types;
  host.credentials = worker->credentials_;
  worker->host_ = std::make_unique<StageHost>(
      std::move(host), worker->device_.backend.get(),
      [self](uint64_t epoch, const std::string& message) { self->OnFault(epoch, message); });

  CoordinatorLinkOptions membership;
  membership.coordinator = options.coordinator;
  membership.credentials = worker->credentials_;
  v1::Hello& hello = membership.hello;
  hello.set_protocol_version(kProtocolVersion);
  hello.set_version(kVersion);
  hello.set_name(worker->name_);
  hello.set_instance(RandomInstance());
  *hello.mutable_device() = facts;
  GANTRY_RETURN_IF_ERROR(worker->StartServer(options));
  *hello.mutable_endpoint() = worker->endpoint_;
  membership.make_progress = [self] { return self->MakeProgress(); };
  membership.on_lost = [self] { self->host_->Unload(/*keep_weights=*/true); };
  worker->link_ = std::make_unique<CoordinatorLink>(std::move(membership));
  return worker;
}

absl::Status Worker::StartServer(const WorkerOptions& options) {
  GANTRY_ASSIGN_OR_RETURN(std::string host, HostOf(options.listen));
  if (!options.advertise.empty()) host = options.advertise;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  ConfigureServer(&builder, kMaxStepFrameBytes);
  int port = 0;
  builder.AddListeningPort(options.listen, credentials_.Server(), &port);
  if (socket_folder_.has_value()) {
    const std::string path = socket_folder_->socket_path();
    builder.AddListeningPort(absl::StrCat("unix:", path), grpc::InsecureServerCredentials());
    endpoint_.set_unix_path(path);
    endpoint_.set_host_id(HostId());
  }
  service_ = std::make_unique<WorkerService>(&credentials_, host_.get());
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", options.listen,
                                               ": the address is in use or not this machine's"));
  }
  endpoint_.set_address(absl::StrCat(host, ":", port));
  host_->set_endpoint(endpoint_);
  LogInfo(absl::StrCat("listening on ", endpoint_.address()));
  return absl::OkStatus();
}

void Worker::OnFault(uint64_t epoch, const std::string& message) {
  link_->ReportFault(epoch, message);
  // A device that is lost fails every call from then on; others are as before. Not by waiting for
  // its stream: the thread that computes may be recording a step.
  const absl::Status device = device_.backend->Allocate(1).status();
  if (!absl::IsInternal(device)) return;
  {
    absl::MutexLock lock(&mutex_);
    device_status_ = device;
  }
  Stop();
}

v1::Progress Worker::MakeProgress() const {
  v1::Progress progress;
  progress.set_resident_bytes(ResidentMemory());
  const std::shared_ptr<Epoch> epoch = host_->current();
  if (epoch == nullptr) return progress;
  const Epoch::Stats stats = epoch->GetStats();
  progress.set_epoch(epoch->number());
  progress.set_steps(stats.steps);
  for (const Epoch::StageStats& stage : stats.stages) {
    v1::StageTiming* timing = progress.add_stages();
    timing->set_index(stage.index);
    timing->set_steps(stage.steps);
    timing->set_step_ms(stage.step_ms);
    timing->set_sent_bytes(stage.sent_bytes);
  }
  return progress;
}

Worker::~Worker() {
  RemoveSocket();
  if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now() + kShutdown));
  if (host_ != nullptr) host_->Unload(/*keep_weights=*/false);
}

}  // namespace gantry
