#ifndef GANTRY_COORDINATOR_REQUEST_LOG_H_
#define GANTRY_COORDINATOR_REQUEST_LOG_H_

#include "coordinator/engine_observer.h"

namespace gantry {

// Logs a line for each request, when it ends or is refused.
class RequestLog : public EngineObserver {
 public:
  void OnRefuse(const RequestRecord& record, const absl::Status& why) override;
  void OnEnd(const RequestRecord& record, const absl::Status& status) override;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_REQUEST_LOG_H_
