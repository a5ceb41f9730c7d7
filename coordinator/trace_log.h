#ifndef GANTRY_COORDINATOR_TRACE_LOG_H_
#define GANTRY_COORDINATOR_TRACE_LOG_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "coordinator/engine_observer.h"
#include "proto/inference.pb.h"

namespace gantry {

// Where the time of requests went: of those that are here, which the engine bounds, and of the last
// that have ended. What is kept of each is bounded, too: of its steps, the first and the latest.
// Thread-safe.
class TraceLog : public EngineObserver {
 public:
  static constexpr size_t kMaxEnded = 256;
  // Of the steps of a request; at least kMinSteps are kept, half of them the first.
  static constexpr size_t kMaxStepBytes = 16 << 10;
  static constexpr size_t kMinSteps = 16;
  static constexpr int kMaxLimit = 1000;
  static constexpr int kDefaultLimit = 50;
  static constexpr size_t kMaxFound = 16;  // requests of one id

  // `clock` is the engine's and outlives this.
  explicit TraceLog(const Clock* clock) : clock_(clock) {}

  void OnChange(const RequestRecord& record) override;
  void OnToken(const RequestRecord& record, std::optional<absl::Duration> since_last) override;
  void OnEnd(const RequestRecord& record, const absl::Status& status) override;
  void OnStepDone(const DoneStep& step) override;

  // Those who may see a trace: the client whose request it was, or, without a name, everybody.
  using Viewer = std::optional<std::string>;
  // INVALID_ARGUMENT for a limit that is out of range, NOT_FOUND for an id of which no trace is
  // kept; of one that several have, the latest kMaxFound.
  absl::StatusOr<v1::GetTracesResponse> Get(const Viewer& viewer,
                                            const v1::GetTracesRequest& request) const;

 private:
  // Shared by the requests of the step.
  struct Step {
    absl::Duration sent;
    absl::Duration done;
    int64_t tokens = 0;
    absl::Duration transfer;
    std::vector<StageCost> stages;
  };
  struct Part {
    std::shared_ptr<const Step> step;
    int64_t tokens = 0;
  };
  struct Phase {
    uint64_t steps = 0;
    absl::Duration covered;  // by one step or more
    double steps_s = 0;
    double transfer_s = 0;
    std::vector<v1::StageTrace> stages;
  };
  struct Trace {
    RequestRecord record;
    absl::Time arrived;
    std::string finished_reason;  // empty: it has not ended
    bool finished = false;
    std::string error;
    Phase prefill;
    Phase decode;
    absl::Duration covered_to;
    std::vector<Part> first;
    std::deque<Part> latest;
    uint64_t left_out = 0;
  };

  static void AddStep(const std::shared_ptr<const Step>& step, int64_t tokens, Trace* trace);
  static void AddToPhase(const Step& step, absl::Duration covered, Phase* phase);
  v1::GetTracesResponse Latest(const Viewer& viewer, size_t limit) const;
  v1::GetTracesResponse Find(const Viewer& viewer, absl::string_view id) const;
  v1::RequestTrace Describe(const Trace& trace, bool steps) const;
  std::vector<const Trace*> Visible(const Viewer& viewer) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  std::map<uint64_t, Trace> running_ ABSL_GUARDED_BY(mutex_);  // by RequestRecord::number
  std::deque<Trace> ended_ ABSL_GUARDED_BY(mutex_);            // the latest in front
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_TRACE_LOG_H_
