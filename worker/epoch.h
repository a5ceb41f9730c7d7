#ifndef GANTRY_WORKER_EPOCH_H_
#define GANTRY_WORKER_EPOCH_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "worker/next_stage.h"
#include "worker/stage.h"

namespace gantry {

// A stage and where its frames go.
struct LinkedStage {
  std::unique_ptr<Stage> stage;
  std::unique_ptr<NextStage> next;
};

// The stages of this worker in one epoch and the thread that computes them, one step at a time in
// the order of arrival. Made when loading begins, so that others may open their streams, and
// activated when it is done. Thread-safe.
class Epoch {
 public:
  using OnFault = std::function<void(uint64_t epoch, const std::string& message)>;

  Epoch(uint64_t number, OnFault on_fault) : number_(number), on_fault_(std::move(on_fault)) {}
  ~Epoch();

  uint64_t number() const { return number_; }
  void Activate(std::unique_ptr<Workspace> workspace, std::vector<LinkedStage> stages);

  // Queues a frame from another process; waits while too many are queued. INVALID_ARGUMENT for a
  // frame that CheckFrame refuses, FAILED_PRECONDITION while the epoch is loading or when it has
  // ended. A frame of an older epoch is counted and dropped.
  absl::Status Submit(StepFrame frame);
  // Queues a frame from a stage of this worker.
  void SubmitLocal(StepFrame frame);

  // Reports a fault unless the epoch has been stopped.
  void Fault(const std::string& message);

  // Drops what is queued, waits for the step being computed, closes the links, and frees the
  // stages. No fault is reported afterwards.
  void Stop();

  struct StageStats {
    uint32_t index = 0;
    uint64_t steps = 0;
    double step_ms = 0;  // exponentially smoothed
    uint64_t sent_bytes = 0;
  };
  struct Stats {
    uint64_t steps = 0;         // of all stages
    uint64_t stale_frames = 0;  // dropped
    std::vector<StageStats> stages;
  };
  Stats GetStats() const;

 private:
  struct Queued {
    StepFrame frame;
    absl::Duration since;  // that it waits, also for room in the queue
  };

  void ComputeSteps();
  // Position in stages_, or -1.
  int FindStage(uint32_t index) const;

  const uint64_t number_;
  const OnFault on_fault_;
  // Written by Activate, before ready_.
  std::unique_ptr<Workspace> workspace_;
  std::vector<LinkedStage> stages_;
  std::thread thread_;

  mutable absl::Mutex mutex_;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<StageStats> stats_ ABSL_GUARDED_BY(mutex_);
  uint64_t stale_frames_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Hands frames over to another stage of the same epoch.
class LocalNextStage : public NextStage {
 public:
  // `epoch` outlives the link.
  explicit LocalNextStage(Epoch* epoch) : epoch_(epoch) {}
  void Send(StepFrame frame) override { epoch_->SubmitLocal(std::move(frame)); }
  void Close() override {}

 private:
  Epoch* epoch_;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_EPOCH_H_
