#ifndef GANTRY_TESTS_WORKER_FAKE_COORDINATOR_H_
#define GANTRY_TESTS_WORKER_FAKE_COORDINATOR_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "proto/registry.grpc.pb.h"
#include "proto/step_frame.h"

namespace gantry {

// The coordinator's side of both services, as far as a worker sees it.
class FakeCoordinator {
 public:
  // Serves on loopback. `refusal`: what Join answers instead of a welcome.
  explicit FakeCoordinator(const grpc::Status& refusal = grpc::Status::OK);
  ~FakeCoordinator();

  const v1::Endpoint& endpoint() const { return endpoint_; }
  // The next message of a worker, and the next results. Wait for a minute and then abort.
  v1::WorkerMessage NextMessage();
  // Skips messages that are of another kind.
  v1::WorkerMessage NextMessage(v1::WorkerMessage::MessageCase kind);
  v1::StepHeader NextResults();
  // Ends all Join streams.
  void EndStreams();

 private:
  class RegistryService : public v1::Registry::Service {
   public:
    explicit RegistryService(FakeCoordinator* owner) : owner_(owner) {}
    grpc::Status Join(
        grpc::ServerContext* context,
        grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::WorkerMessage>* stream) override;

   private:
    FakeCoordinator* owner_;
  };
  class Results : public StepService {
   public:
    explicit Results(FakeCoordinator* owner) : owner_(owner) {}
    grpc::Status RunSteps(grpc::ServerContext* context, StepReader* stream) override;

   private:
    FakeCoordinator* owner_;
  };

  const grpc::Status refusal_;
  RegistryService registry_{this};
  Results results_{this};
  v1::Endpoint endpoint_;
  absl::Mutex mutex_;
  std::deque<v1::WorkerMessage> messages_;
  std::deque<v1::StepHeader> steps_;
  std::vector<grpc::ServerContext*> joins_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace gantry

#endif  // GANTRY_TESTS_WORKER_FAKE_COORDINATOR_H_
