#ifndef GANTRY_COORDINATOR_ENGINE_LOOP_H_
#define GANTRY_COORDINATOR_ENGINE_LOOP_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "coordinator/engine.h"
#include "coordinator/request_runner.h"

namespace gantry {

// The thread that owns an Engine. Every method may be called from any thread; those without a
// result return before the engine has seen the call.
class EngineLoop : public RequestRunner {
 public:
  EngineLoop(const EngineOptions& options, const ModelConfig* config, const Tokenizer* tokenizer,
             const Clock* clock);
  ~EngineLoop() override;

  uint64_t Submit(Request request, std::shared_ptr<RequestSink> sink,
                  absl::Duration deadline) override;
  void SetDeadline(uint64_t id, absl::Duration deadline) override;
  void Cancel(uint64_t id, const absl::Status& why) override;
  void OnResult(v1::StepHeader result);
  void BeginEpoch(const Engine::Epoch& epoch);
  // Return when the engine has left the epoch and its sink alone.
  void EndEpoch(const absl::Status& why);
  void SuspendEpoch(const absl::Status& why);
  void RefuseNew(const absl::Status& why);

  // As they were when the engine last rested.
  struct Report {
    v1::Counters counters;
    std::optional<absl::Duration> oldest_step_sent;
  };
  Report report() const;

 private:
  using Call = std::function<void(Engine*)>;
  void Post(Call call);
  void Run();
  // For report(); on the thread.
  void Publish();

  const Clock* const clock_;
  Engine engine_;  // of the thread alone
  std::atomic<uint64_t> last_id_{0};
  mutable absl::Mutex mutex_;
  std::vector<Call> calls_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Report report_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_ENGINE_LOOP_H_
