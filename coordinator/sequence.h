#ifndef GANTRY_COORDINATOR_SEQUENCE_H_
#define GANTRY_COORDINATOR_SEQUENCE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/client_shares.h"
#include "coordinator/generation.h"
#include "coordinator/request.h"
#include "coordinator/rope_schedule.h"
#include "coordinator/scheduler.h"
#include "model/config.h"
#include "proto/inference.pb.h"
#include "proto/stage.pb.h"

namespace gantry {

// Where the events of a request go. Called by the engine's thread, which waits meanwhile; exactly
// one call of OnFinish or OnError ends the request. A scored request gets its tokens by OnScored.
class RequestSink {
 public:
  virtual ~RequestSink() = default;
  virtual void OnToken(v1::GeneratedToken token) = 0;
  virtual void OnScored(v1::ScoredToken token) = 0;
  virtual void OnFinish(v1::Finish finish) = 0;
  virtual void OnError(const absl::Status& status) = 0;
};

// A request on its way through the engine.
struct Sequence {
  Sequence(uint64_t id, Request checked, std::shared_ptr<RequestSink> events, absl::Duration end,
           const ModelConfig* config, const Tokenizer* tokenizer)
      : request_id(id),
        request(std::move(checked)),
        sink(std::move(events)),
        deadline(end),
        tokens(request.prompt),
        rope(config, request.prompt.size()),
        generation(request, tokenizer),
        constraint(request.constraint == nullptr ? nullptr : request.constraint->Copy()) {}

  uint64_t request_id;
  Request request;
  std::shared_ptr<RequestSink> sink;
  absl::Duration deadline;                 // on the engine's clock; infinite without one
  ClientShares::Client* client = nullptr;  // whose it is

  // By which the stages know it. Another each time its keys and values are computed from the start.
  uint64_t number = 0;
  std::vector<int32_t> tokens;  // the prompt and what was generated
  int64_t scheduled = 0;        // tokens in steps that were sent
  std::vector<uint32_t> blocks;
  uint64_t last_step = 0;
  size_t charged = 0;         // tokens that its client was charged for
  uint64_t arrived_step = 0;  // steps that had been sent by then, of all epochs
  bool resumes = false;       // it waits, having run before
  RopeSchedule rope;
  Generation generation;
  std::unique_ptr<TokenConstraint> constraint;  // after `tokens`; may be null
  int64_t scored = 0;                           // tokens of a scored request that went to the sink

  absl::Duration arrived;
  absl::Duration started = absl::InfiniteDuration();      // first admitted
  absl::Duration first_token = absl::InfiniteDuration();  // when it was there
  absl::Duration last_token = absl::InfiniteDuration();

  SequenceView View() const {
    SequenceView view;
    view.length = tokens.size();
    view.scheduled = scheduled;
    view.max_chunk = rope.At(scheduled).end - scheduled;
    view.blocks = blocks.size();
    view.score = request.params.score();
    view.last_step = last_step;
    view.client = client->index;
    view.priority = request.priority;
    view.resumes = resumes;
    return view;
  }
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_SEQUENCE_H_
