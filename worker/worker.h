#ifndef GANTRY_WORKER_WORKER_H_
#define GANTRY_WORKER_WORKER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/socket_folder.h"
#include "grpcpp/grpcpp.h"
#include "worker/coordinator_link.h"
#include "worker/device.h"
#include "worker/options.h"
#include "worker/service.h"
#include "worker/stage_host.h"

namespace gantry {

// One device in the service of a coordinator.
class Worker {
 public:
  // Opens the device and starts the server. INVALID_ARGUMENT or UNIMPLEMENTED for options,
  // UNAVAILABLE for an address in use.
  static absl::StatusOr<std::unique_ptr<Worker>> Start(const WorkerOptions& options);
  ~Worker();

  // Joins the coordinator and serves until Stop (OK) or until it refuses the worker. Also stops
  // when its device is lost to this process, for it could only fail: see device_status.
  absl::Status Run() { return link_->Run(); }
  // The error of which the device was lost, such as a fault of its memory.
  absl::Status device_status() const {
    absl::MutexLock lock(&mutex_);
    return device_status_;
  }
  void Stop() { link_->Leave(); }
  // So that a process that ends without the destructor leaves nothing behind.
  void RemoveSocket() const {
    if (socket_folder_.has_value()) socket_folder_->Remove();
  }
  bool has_joined() const { return link_->has_joined(); }
  const v1::Endpoint& endpoint() const { return endpoint_; }

 private:
  Worker() = default;
  absl::Status StartServer(const WorkerOptions& options);
  v1::Progress MakeProgress() const;
  void OnFault(uint64_t epoch, const std::string& message);

  std::string name_;
  Credentials credentials_;
  Device device_;
  std::optional<SocketFolder> socket_folder_;
  v1::Endpoint endpoint_;
  std::unique_ptr<CoordinatorLink> link_;
  std::unique_ptr<StageHost> host_;
  std::unique_ptr<WorkerService> service_;
  std::unique_ptr<grpc::Server> server_;
  mutable absl::Mutex mutex_;
  absl::Status device_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace gantry

#endif  // GANTRY_WORKER_WORKER_H_
