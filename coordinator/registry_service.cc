#include "coordinator/registry_service.h"

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "proto/status.h"

namespace gantry {
namespace {

constexpr int kMaxStages = 65536;

// One worker's stream. Keeps itself alive until gRPC is done with it.
class JoinStream : public grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage> {
 public:
  JoinStream(Cluster* cluster, const Credentials* credentials, std::string peer)
      : cluster_(cluster), credentials_(credentials), peer_(std::move(peer)) {}

  // Reads nothing from a caller that `allowed` turns away.
  void Start(std::shared_ptr<JoinStream> self, const absl::Status& allowed) {
    self_ = std::move(self);
    if (!allowed.ok()) return End(allowed);
    StartRead(&message_);
  }

  void End(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    ended_ = true;
    Finish(ToGrpcStatus(status));
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      cluster_->membership()->Leave(session_, "its stream ended");
      End(absl::OkStatus());
      return;
    }
    const absl::Status status = session_ == 0 ? ReadHello() : ReadNext();
    if (!status.ok()) {
      End(status);
      return;
    }
    StartRead(&message_);
  }

  void OnDone() override {
    cluster_->membership()->Leave(session_, "its stream ended");
    const std::shared_ptr<JoinStream> self = std::move(self_);
  }

 private:
  absl::Status ReadHello() {
    const absl::Status status = Join();
    if (!status.ok()) {
      LogWarning(absl::StrCat("refused a worker from ", peer_, ": ", status.message()));
    }
    return status;
  }

  absl::Status Join() {
    if (!message_.has_hello()) {
      return absl::InvalidArgumentError("the first message must be a Hello");
    }
    const v1::Hello& hello = message_.hello();
    GANTRY_RETURN_IF_ERROR(credentials_->CheckAddress(hello.endpoint().address()));
    const std::weak_ptr<JoinStream> weak = self_;
    absl::StatusOr<uint64_t> session =
        cluster_->membership()->Join(hello, [weak](const absl::Status& status) {
          if (const std::shared_ptr<JoinStream> stream = weak.lock()) stream->End(status);
        });
    if (!session.ok()) return session.status();
    session_ = *session;
    LogInfo(absl::StrCat("worker ", hello.name(), " joined from ", hello.endpoint().address(), ": ",
                         hello.device().description(), ", ",
                         FormatBytes(hello.device().memory_bytes()), ", reads ",
                         FormatBytes(hello.device().read_bytes_per_s()), "/s"));
    welcome_.mutable_welcome()->set_lease_s(absl::ToDoubleSeconds(cluster_->membership()->lease()));
    absl::MutexLock lock(&mutex_);
    if (!ended_) StartWrite(&welcome_);
    return absl::OkStatus();
  }

  absl::Status ReadNext() {
    switch (message_.message_case()) {
      case v1::WorkerMessage::kProgress:
        if (message_.progress().stages_size() > kMaxStages) {
          return absl::InvalidArgumentError("progress.stages: more than a worker can hold");
        }
        cluster_->membership()->Renew(session_, message_.progress());
        break;
      case v1::WorkerMessage::kFault:
        LogWarning(absl::StrCat("fault at ", peer_, ": ", message_.fault().message()));
        cluster_->OnFault(session_, message_.fault());
        break;
      case v1::WorkerMessage::kGoodbye:
        cluster_->membership()->Leave(session_, "it was stopped");
        break;
      default:
        return absl::InvalidArgumentError("expected Progress, Fault or Goodbye");
    }
    return absl::OkStatus();
  }

  Cluster* const cluster_;
  const Credentials* const credentials_;
  const std::string peer_;
  std::shared_ptr<JoinStream> self_;
  v1::WorkerMessage message_;
  v1::CoordinatorMessage welcome_;
  uint64_t session_ = 0;  // 0: has not joined
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* RegistryService::Join(
    grpc::CallbackServerContext* context) {
  const auto stream = std::make_shared<JoinStream>(cluster_, credentials_, context->peer());
  const absl::Status role = credentials_->RequireRole(*context, kWorkerRole);
  if (!role.ok()) {
    LogWarning(absl::StrCat("refused a worker from ", context->peer(), ": ", role.message()));
  }
  stream->Start(stream, role);
  return stream.get();
}

}  // namespace gantry
