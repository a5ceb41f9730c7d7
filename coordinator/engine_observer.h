#ifndef GANTRY_COORDINATOR_ENGINE_OBSERVER_H_
#define GANTRY_COORDINATOR_ENGINE_OBSERVER_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/request_record.h"
#include "coordinator/step_cost.h"

namespace gantry {

// A step whose result is there.
struct DoneStep {
  struct Part {
    uint64_t request;  // RequestRecord::number; one of several answers has a part for each
    int64_t tokens;
  };
  absl::Duration sent;
  absl::Duration done;
  absl::Duration busy;  // from `sent` on, or, of one stage, from the result before it
  int64_t tokens = 0;   // of all parts
  std::vector<Part> parts;
  std::vector<StageCost> stages;  // empty: they have not told
};

// What neither waiting nor computing accounts for: sockets and threads, of all hops together. All
// of its time where the stages have not told.
inline absl::Duration TransferOf(const DoneStep& step) {
  return std::max(absl::ZeroDuration(), step.done - step.sent - TotalOf(step.stages));
}

// What happens in an engine, told by its thread, which waits meanwhile. Durations are on its clock.
// Of requests that are the coordinator's own (Request::probe) it tells nothing.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  // It was refused before it was queued. Nothing else is told of it.
  virtual void OnRefuse(const RequestRecord& record, const absl::Status& why) {}
  // It was queued, started, put back to be computed again, or taken on into another epoch.
  virtual void OnChange(const RequestRecord& record) {}
  // `since_last`: the token before it of the same answer; absent for the first.
  virtual void OnToken(const RequestRecord& record, std::optional<absl::Duration> since_last) {}
  // Its last answer has finished, or `status` says why it has failed.
  virtual void OnEnd(const RequestRecord& record, const absl::Status& status) {}
  // `tokens` of all its slices.
  virtual void OnStepSent(int64_t tokens) {}
  virtual void OnStepDone(const DoneStep& step) {}
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_ENGINE_OBSERVER_H_
