#ifndef GANTRY_COORDINATOR_REQUEST_LOG_H_
#define GANTRY_COORDINATOR_REQUEST_LOG_H_

#include "coordinator/engine_observer.h"

namespace gantry {

// Logs a line for each request when it ends, and for those that are refused, as
// "reject" for whatever reason, one a second at most.
class RequestLog : public EngineObserver {
 public:
  void OnRefuse(const RequestRecord& record, const absl::Status& why) override;
  void OnEnd(const RequestRecord& record, const absl::Status& status) override;

 private:
  int64_t refused_ = 0;  // since the last such line
  absl::Duration next_refusal_ = -absl::InfiniteDuration();
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_REQUEST_LOG_H_
