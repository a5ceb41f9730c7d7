#ifndef GANTRY_COORDINATOR_HTTP_READINESS_H_
#define GANTRY_COORDINATOR_HTTP_READINESS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "coordinator/engine_loop.h"
#include "coordinator/http/exchange.h"
#include "coordinator/request.h"

namespace gantry {

// Whether the cluster gives tokens. Nothing else proves that it does: a worker may answer pings
// and compute nothing. A token of any request will do, so that a busy cluster need not compute one
// more, nor have it wait in the queue; where none comes by itself, a request for one is made. On
// the server's thread.
class Readiness : public std::enable_shared_from_this<Readiness> {
 public:
  // `unready` says why nothing is served; empty: something is. `probe` asks for one token.
  Readiness(EngineLoop* engine, std::function<std::string()> unready, Request probe,
            const Clock* clock)
      : engine_(engine), unready_(std::move(unready)), probe_(std::move(probe)), clock_(clock) {}

  // Answers 200, or 503 with the reason.
  void Check(const std::shared_ptr<Exchange>& exchange);

 private:
  class Sink;
  struct Waiting {
    std::shared_ptr<Exchange> exchange;
    absl::Duration since;
    uint64_t tokens;  // that had been generated then
  };
  void StartProbe(const std::shared_ptr<Exchange>& exchange);
  void OnProbe(const absl::Status& status);
  // Looks for tokens of others.
  void Look();
  void AnswerAll(const absl::Status& status);

  EngineLoop* const engine_;
  const std::function<std::string()> unready_;
  const Request probe_;
  const Clock* const clock_;
  absl::Duration proven_ = -absl::InfiniteDuration();  // when a token was last there
  bool probing_ = false;
  uint64_t probe_id_ = 0;
  std::vector<Waiting> waiting_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_READINESS_H_
