#ifndef GANTRY_COORDINATOR_REQUEST_RUNNER_H_
#define GANTRY_COORDINATOR_REQUEST_RUNNER_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/request.h"
#include "coordinator/sequence.h"

namespace gantry {

// Where requests are run: an engine, from other threads. Thread-safe. No method calls a sink: those
// are called later, or by another thread.
class RequestRunner {
 public:
  virtual ~RequestRunner() = default;
  // Returns the request's id, for the others; never 0.
  virtual uint64_t Submit(Request request, std::shared_ptr<RequestSink> sink,
                          absl::Duration deadline) = 0;
  virtual void SetDeadline(uint64_t id, absl::Duration deadline) = 0;
  virtual void Cancel(uint64_t id, const absl::Status& why) = 0;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_REQUEST_RUNNER_H_
