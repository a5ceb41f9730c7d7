#ifndef GANTRY_COORDINATOR_SEQUENCE_H_
#define GANTRY_COORDINATOR_SEQUENCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/client_shares.h"
#include "coordinator/engine_observer.h"
#include "coordinator/generation.h"
#include "coordinator/prefix_cache.h"
#include "coordinator/request.h"
#include "coordinator/rope_schedule.h"
#include "coordinator/scheduler.h"
#include "model/config.h"
#include "proto/inference.pb.h"
#include "proto/stage.pb.h"

namespace gantry {

// Where the events of a request go. Called by the engine's thread, which waits meanwhile. The
// request ends with one call of OnFinish for each of its n answers, or with one of OnError. A
// scored request gets its tokens by OnScored.
class RequestSink {
 public:
  virtual ~RequestSink() = default;
  // It is in the queue; its tokens will be those of placements of these Engine::Epoch::numerics.
  virtual void OnAccepted(const std::string& numerics) {}
  virtual void OnToken(v1::GeneratedToken token) = 0;
  virtual void OnScored(v1::ScoredToken token) = 0;
  virtual void OnFinish(v1::Finish finish) = 0;
  virtual void OnError(const absl::Status& status) = 0;
};

struct Sequence;

// A request on its way through the engine: its answers that have not finished.
struct RequestGroup {
  RequestRecord record;
  // Where it is told of and counted.
  EngineObserver* observer = nullptr;
  v1::Counters* counters = nullptr;
  std::shared_ptr<RequestSink> sink;
  std::vector<std::unique_ptr<Sequence>> sequences;
  bool started = false;      // one of them ran, now or before it was resumed
  int suspensions = 0;       // of the epoch since it last got a token
  bool prompt_sent = false;  // one of them has sent all its prompt, which the others may share
};

// One answer.
struct Sequence {
  Sequence(RequestGroup* owner, int number_of_answer, Request checked, absl::Duration end,
           const ModelConfig* config, const Tokenizer* tokenizer)
      : group(owner),
        index(number_of_answer),
        request(std::move(checked)),
        deadline(end),
        tokens(request.prompt),
        rope(config, request.prompt.size()),
        generation(request, tokenizer),
        constraint(request.constraint == nullptr ? nullptr : request.constraint->Copy()) {}

  RequestGroup* group;
  int index;
  Request request;                         // with the seed of this answer
  absl::Duration deadline;                 // on the engine's clock; infinite without one
  ClientShares::Client* client = nullptr;  // whose it is

  // By which the stages know it. Another each time its keys and values are computed from the start.
  uint64_t number = 0;
  std::vector<int32_t> tokens;  // the prompt and what was generated
  int64_t scheduled = 0;        // tokens in steps that were sent, of which one may be unknown
  std::vector<uint32_t> blocks;
  size_t sent_blocks = 0;  // of them that the stages know
  // The blocks that it begins with, as the cache knows them: of one that waits, those that it would
  // share; of one that runs, its first full blocks.
  std::vector<PrefixCache::Entry> prefix;
  uint64_t last_step = 0;
  int64_t charged = 0;        // tokens that its client was charged for
  uint64_t arrived_step = 0;  // steps that had been sent by then, of all epochs
  bool resumes = false;       // it waits, having run before
  RopeSchedule rope;
  Generation generation;
  std::unique_ptr<TokenConstraint> constraint;  // after `tokens`; may be null
  int64_t scored = 0;                           // tokens of a scored request that went to the sink
  int64_t score_rows = 0;                       // results since it was last started
  int64_t shared_tokens = 0;                    // of the prompt, when it was first started
  int64_t begun_tokens = 0;                     // generated before it came, see Request::begun

  absl::Duration arrived;
  absl::Duration started = absl::InfiniteDuration();      // first admitted
  absl::Duration first_token = absl::InfiniteDuration();  // when it was there
  absl::Duration last_token = absl::InfiniteDuration();

  // Whether the token being computed may be fed back before it is known: another will follow it
  // unless it ends the sequence, and the keys before it stay valid.
  bool MayFeedBack() const {
    const int64_t generated = tokens.size() - request.prompt.size();
    return constraint == nullptr && generated + 2 <= request.max_new_tokens &&
           !rope.MustRestart(tokens.size() + 1);
  }

  SequenceView View() const {
    SequenceView view;
    view.length = tokens.size();
    view.scheduled = scheduled;
    view.max_chunk = rope.At(scheduled).end - scheduled;
    view.blocks = view.own_blocks = blocks.size();
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
