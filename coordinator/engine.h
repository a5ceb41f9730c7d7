#ifndef GANTRY_COORDINATOR_ENGINE_H_
#define GANTRY_COORDINATOR_ENGINE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "coordinator/blocks.h"
#include "coordinator/chunk_control.h"
#include "coordinator/client_shares.h"
#include "coordinator/engine_observer.h"
#include "coordinator/prefix_cache.h"
#include "coordinator/request.h"
#include "coordinator/scheduler.h"
#include "coordinator/sequence.h"
#include "model/config.h"
#include "proto/inference.pb.h"
#include "proto/stage.pb.h"

namespace gantry {

// Where steps go: the first stage.
class StepSink {
 public:
  virtual ~StepSink() = default;
  // May block while the stage takes nothing. False when the link is broken; whoever owns the link
  // finds out by itself.
  virtual bool Send(const v1::StepHeader& header) = 0;
};

struct EngineOptions {
  int block_size = 16;
  int max_step_tokens = 512;
  int max_step_rows = 256;
  int max_sequences = 256;      // that run
  int max_queue = 256;          // that wait
  int max_steps_in_flight = 0;  // 0: one more than there are stages
  // Prompts may make a step that continues sequences take so many times as long; above 1.
  double max_decode_slowdown = 1.6;
  bool share_prefixes = true;  // blocks of equal beginnings of prompts, of one client
  bool share_prefixes_across_clients = false;
  // How long requests wait for another epoch when theirs is suspended; 0: they fail.
  absl::Duration recovery_timeout;
  EngineObserver* observer = nullptr;  // may be null; outlives the engine
};

// Owns the sequences: takes requests, sends steps, reads their results, tells the clients. Not
// thread-safe, never waits and has no thread; EngineLoop gives it one.
class Engine {
 public:
  // All outlive the engine; `tokenizer` may be null.
  Engine(const EngineOptions& options, const ModelConfig* config, const Tokenizer* tokenizer,
         const Clock* clock);
  ~Engine();

  // A placement is in force. Requires that none was.
  struct Epoch {
    uint64_t number = 0;
    int stages = 1;
    int64_t num_blocks = 0;
    StepSink* sink = nullptr;  // outlives the epoch
    // Equal for placements that compute the same tokens: what each module is held in and where.
    std::string numerics{};
  };
  void BeginEpoch(const Epoch& epoch);
  // Fails every request with `why`, and new ones too until an epoch begins. Later calls replace the
  // reason.
  void EndEpoch(const absl::Status& why);
  // The stages are gone, and with them all keys and values, but others may come: requests wait, and
  // go on in the next epoch where they were, by computing their tokens again; what has been chosen
  // stays, and what is chosen next depends on nothing else. They fail with `why` when no epoch
  // begins within the recovery_timeout, or one that would compute other tokens, and so do requests
  // that have seen several epochs end and got nothing, for they may be what ends them. New requests
  // fail meanwhile.
  void SuspendEpoch(const absl::Status& why);
  // New requests fail with `why` from now on; those that are here go on.
  void RefuseNew(const absl::Status& why) { refusal_ = why; }

  // `id` is new. A request that is not taken gets OnError at once: RESOURCE_EXHAUSTED, with the
  // time after which to try again, when the queue is full, UNAVAILABLE without an epoch. A full
  // queue makes room for a client at the cost of the one that has the most requests in it, so that
  // none shuts out the others. One that has begun goes on after its tokens as if it had never
  // stopped; ABORTED when what is in force would compute others.
  void Submit(uint64_t id, Request request, std::shared_ptr<RequestSink> sink,
              absl::Duration deadline);
  // Instead of that of Submit; nothing when the request has ended.
  void SetDeadline(uint64_t id, absl::Duration deadline);
  // Ends the request with `why`; nothing when it has ended.
  void Cancel(uint64_t id, const absl::Status& why);
  // From the last stage. Results of another epoch are counted and ignored.
  void OnResult(const v1::StepHeader& result);

  // Ends what is past its deadline and sends every step that can be sent. To be called after any of
  // the above and at NextDeadline().
  void Pump();
  absl::Duration NextDeadline() const;

  v1::Counters counters() const;
  // When the oldest step in flight was sent, if there is one.
  std::optional<absl::Duration> OldestStepSent() const;

 private:
  struct Step {
    uint64_t number = 0;
    absl::Duration sent;
    std::vector<DoneStep::Part> parts;
    int64_t decodes = 0;          // sequences that it continues
    int64_t prompt_tokens = 0;    // all other tokens
    bool others_prompts = false;  // steps in flight with it had more of them
  };

  // Without its sequences.
  RequestGroup MakeGroup(uint64_t id, const Request& request, std::shared_ptr<RequestSink> sink);
  void FailAll(const absl::Status& why);
  void LeaveEpoch();
  absl::Status QueueIsFull() const;
  bool MakeRoomInQueue(const std::string& client);
  void Fail(RequestGroup* group, const absl::Status& why);
  // Forgets the sequence, here and in the stages, and its request if it was the last of it.
  void Remove(Sequence* sequence);
  void Release(Sequence* sequence);
  void Restart(Sequence* sequence);

  // engine_steps.cc
  // `*sequences` is what the plan's indices mean.
  SchedulerState Snapshot(std::vector<Sequence*>* sequences);
  // Whether something was done: there may be more to do.
  bool SendStep();
  void Start(Sequence* sequence);
  void Preempt(Sequence* sequence);
  void FillSlice(const PlannedSlice& planned, Sequence* sequence, v1::SequenceSlice* slice);
  void Charge(const PlannedSlice& planned, Sequence* sequence);
  void Send(v1::StepHeader* header, Step step);
  // The block that follows the sequence's prefix, if it is full of tokens that may be shared.
  std::optional<PrefixCache::Next> NextOfPrefix(const Sequence& sequence) const;
  void FindPrefix(Sequence* sequence);
  void AddToPrefix(Sequence* sequence);

  // engine_results.cc
  // How long the stages had a step that has ended now.
  absl::Duration TimeOf(const Step& step) const;
  void Measure(const Step& step);
  // Ends the oldest step, whose result this is unless that was lost.
  void EndStep(const v1::StepHeader& result);
  void ReadResult(const v1::SliceResult& result);
  void NoteToken(Sequence* sequence);
  void Score(const v1::SliceResult& result, Sequence* sequence);
  void Finish(Sequence* sequence, v1::Finish finish);
  // The stages could not compute it.
  void FailComputation(Sequence* sequence, const absl::Status& why);

  const EngineOptions options_;
  const ModelConfig* const config_;
  const Tokenizer* const tokenizer_;
  const Clock* const clock_;
  const std::string any_owner_;  // of prefixes that are shared across clients
  ClientShares clients_;
  ChunkControl chunk_;
  EngineObserver nobody_;
  EngineObserver* const observer_;

  std::optional<Epoch> epoch_;
  absl::Status refusal_;
  // Of requests that are here without an epoch.
  absl::Status lost_;
  absl::Duration recovery_ends_;
  std::string last_numerics_;
  std::optional<BlockAllocator> blocks_;
  std::optional<PrefixCache> prefixes_;
  uint64_t last_step_ = 0;
  std::deque<Step> in_flight_;
  absl::Duration last_result_;  // of the epoch; before one, its beginning

  std::map<uint64_t, RequestGroup> requests_;  // by id
  std::vector<Sequence*> running_;             // as admitted
  std::deque<Sequence*> waiting_;
  absl::flat_hash_map<uint64_t, Sequence*> by_number_;
  uint64_t last_number_ = 0;
  std::vector<uint64_t> released_;  // that the stages have not been told of

  v1::Counters counters_;
  v1::Counters probe_counters_;  // that nobody reads
  absl::Duration last_finish_ = absl::InfiniteDuration();
  absl::Duration finish_interval_ = absl::Seconds(1);  // smoothed
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_ENGINE_H_
