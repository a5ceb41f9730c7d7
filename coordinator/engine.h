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
  int max_sequences = 256;  // that run
  int max_queue = 256;      // that wait
  // Prompts may make a step that continues sequences take so many times as long; above 1.
  double max_decode_slowdown = 1.6;
  int max_steps_in_flight = 0;         // 0: one more than there are stages
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
  };
  void BeginEpoch(const Epoch& epoch);
  // Fails every request with `why`, and new ones too until an epoch begins. Later calls replace the
  // reason.
  void EndEpoch(const absl::Status& why);
  // New requests fail with `why` from now on; those that are here go on.
  void RefuseNew(const absl::Status& why) { refusal_ = why; }

  // `id` is new. A request that is not taken gets OnError at once: RESOURCE_EXHAUSTED, with the
  // time after which to try again, when the queue is full, UNAVAILABLE without an epoch. A full
  // queue makes room for a client at the cost of the one that has the most requests in it, so that
  // none shuts out the others.
  void Submit(uint64_t id, Request request, std::shared_ptr<RequestSink> sink,
              absl::Duration deadline);
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
    int64_t decodes = 0;          // sequences that it continues
    int64_t prompt_tokens = 0;    // all other tokens
    bool others_prompts = false;  // steps in flight with it had more of them
  };

  absl::Status QueueIsFull() const;
  bool MakeRoomInQueue(const std::string& client);
  void Measure(const Step& step);
  SchedulerState Snapshot();
  bool SendStep();
  void Start(Sequence* sequence);
  void Send(v1::StepHeader* header, Step step);
  void FillSlice(const PlannedSlice& planned, Sequence* sequence, v1::SequenceSlice* slice);
  void ReadResult(const v1::SliceResult& result);
  void Score(const v1::SliceResult& result, Sequence* sequence);
  void Restart(Sequence* sequence);
  void Finish(Sequence* sequence, v1::Finish finish);
  void Fail(Sequence* sequence, const absl::Status& why);
  // Forgets the sequence, here and in the stages.
  void Remove(Sequence* sequence);
  void Release(Sequence* sequence);

  const EngineOptions options_;
  const ModelConfig* const config_;
  const Tokenizer* const tokenizer_;
  const Clock* const clock_;
  ClientShares clients_;
  ChunkControl chunk_;
  EngineObserver nobody_;
  EngineObserver* const observer_;

  std::optional<Epoch> epoch_;
  absl::Status refusal_;
  std::optional<BlockAllocator> blocks_;
  uint64_t last_step_ = 0;
  std::deque<Step> in_flight_;

  std::map<uint64_t, std::unique_ptr<Sequence>> sequences_;  // by request
  std::vector<Sequence*> running_;                           // as admitted
  std::deque<Sequence*> waiting_;
  absl::flat_hash_map<uint64_t, Sequence*> by_number_;
  uint64_t last_number_ = 0;
  std::vector<uint64_t> released_;  // that the stages have not been told of

  v1::Counters counters_;
  absl::Duration last_finish_ = absl::InfiniteDuration();
  absl::Duration finish_interval_ = absl::Seconds(1);  // smoothed
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_ENGINE_H_
