#ifndef GANTRY_COORDINATOR_ENGINE_OBSERVER_H_
#define GANTRY_COORDINATOR_ENGINE_OBSERVER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "proto/inference.pb.h"

namespace gantry {

// What happens in an engine, told by its thread, which waits meanwhile. Durations are on its clock.
// Requests that were refused before they were queued are not among those that fail.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void OnFirstToken(absl::Duration since_arrival) {}
  virtual void OnNextToken(absl::Duration since_last) {}
  virtual void OnFinish(const v1::Finish& finish) {}
  virtual void OnFail(const absl::Status& why) {}
  // `tokens` of all its slices.
  virtual void OnStepSent(int64_t tokens) {}
  // It took so long from when it was sent, or, of one stage, from the result before it.
  virtual void OnStepDone(absl::Duration took) {}
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_ENGINE_OBSERVER_H_
