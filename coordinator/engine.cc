#include "coordinator/engine.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "proto/retry_info.h"

namespace gantry {
namespace {

// What a client is told to wait before it asks again.
constexpr absl::Duration kMinRetryDelay = absl::Milliseconds(100);
constexpr absl::Duration kMaxRetryDelay = absl::Minutes(1);
constexpr int kMaxSuspensions = 3;

// As if it had generated these tokens, of which its client knows.
absl::Status GoOn(const std::vector<int32_t>& tokens, Sequence* sequence) {
  sequence->begun_tokens = tokens.size();
  for (const int32_t id : tokens) {
    sequence->tokens.push_back(id);
    v1::StepToken token;
    token.mutable_token()->set_token_id(id);
    sequence->generation.Add(token);
    if (sequence->constraint != nullptr) GANTRY_RETURN_IF_ERROR(sequence->constraint->Accept(id));
    const int64_t length = sequence->tokens.size();
    if (sequence->rope.MustRestart(length)) sequence->rope.Restart(length);
  }
  return absl::OkStatus();
}

}  // namespace

Engine::Engine(const EngineOptions& options, const ModelConfig* config, const Tokenizer* tokenizer,
               const Clock* clock)
    : options_(options),
      config_(config),
      tokenizer_(tokenizer),
      clock_(clock),
      chunk_(options.max_decode_slowdown, options.max_step_tokens),
      observer_(options.observer == nullptr ? &nobody_ : options.observer),
      refusal_(absl::UnavailableError("no placement is in force yet")) {}

Engine::~Engine() { EndEpoch(absl::CancelledError("the coordinator ended")); }

void Engine::BeginEpoch(const Epoch& epoch) {
  if (!requests_.empty() && epoch.numerics != last_numerics_) {
    FailAll(absl::Status(lost_.code(), absl::StrCat(lost_.message(),
                                                    "; what has taken its place computes in "
                                                    "other schemes and would go on otherwise")));
  }
  for (auto& [id, group] : requests_) {
    group.counters->set_requests_recovered(group.counters->requests_recovered() + 1);
    ++group.record.recoveries;
    group.observer->OnChange(group.record);
  }
  epoch_ = epoch;
  last_numerics_ = epoch.numerics;
  refusal_ = absl::OkStatus();
  blocks_.emplace(epoch.num_blocks);
  if (options_.share_prefixes) prefixes_.emplace(options_.block_size, &*blocks_);
  // Times of other workers say nothing of these.
  chunk_ = ChunkControl(options_.max_decode_slowdown, options_.max_step_tokens);
  last_step_ = 0;
  last_result_ = clock_->Now();
  counters_.set_kv_blocks_total(epoch.num_blocks);
}

void Engine::EndEpoch(const absl::Status& why) {
  refusal_ = why;
  FailAll(why);
  LeaveEpoch();
}

void Engine::SuspendEpoch(const absl::Status& why) {
  if (options_.recovery_timeout <= absl::ZeroDuration()) return EndEpoch(why);
  refusal_ = why;
  if (!epoch_.has_value()) return;  // those that are here wait already
  std::set<RequestGroup*> suspended;
  for (const Sequence* sequence : running_) suspended.insert(sequence->group);
  for (RequestGroup* group : suspended) {
    if (++group->suspensions > kMaxSuspensions) Fail(group, why);
  }
  while (!running_.empty()) Restart(running_.back());
  for (Sequence* sequence : waiting_) {
    sequence->prefix.clear();
    sequence->scheduled = 0;
    sequence->group->prompt_sent = false;
  }
  lost_ = why;
  recovery_ends_ = clock_->Now() + options_.recovery_timeout;
  LeaveEpoch();
}

void Engine::FailAll(const absl::Status& why) {
  while (!requests_.empty()) Fail(&requests_.begin()->second, why);
}

void Engine::LeaveEpoch() {
  epoch_.reset();
  prefixes_.reset();
  blocks_.reset();
  in_flight_.clear();
  released_.clear();
  counters_.set_kv_blocks_total(0);
}

void Engine::Submit(uint64_t id, Request request, std::shared_ptr<RequestSink> sink,
                    absl::Duration deadline) {
  absl::Status refused = refusal_;
  const std::optional<Begun> begun = std::exchange(request.begun, std::nullopt);
  if (refused.ok() && begun.has_value() && begun->numerics != epoch_->numerics) {
    refused = absl::AbortedError(
        "resume_from: the model has been placed anew, in other schemes, and would go on otherwise; "
        "send the request without resume_from to begin again");
  }
  if (refused.ok() && waiting_.size() >= options_.max_queue && !MakeRoomInQueue(request.client)) {
    refused = QueueIsFull();
  }
  RequestGroup made = MakeGroup(id, request, std::move(sink));
  if (!refused.ok()) {
    made.counters->set_requests_rejected(made.counters->requests_rejected() + 1);
    made.observer->OnRefuse(made.record, refused);
    made.sink->OnError(refused);
    return;
  }
  RequestGroup& group = requests_.emplace(id, std::move(made)).first->second;
  group.started = begun.has_value();
  group.observer->OnChange(group.record);
  group.sink->OnAccepted(epoch_->numerics);
  absl::Status went_on;
  for (int i = 0; i < request.n; ++i) {
    if (begun.has_value() && begun->answers[i].finished) continue;
    Request answer = request;
    answer.params.set_seed(request.params.seed() + i);
    auto sequence =
        std::make_unique<Sequence>(&group, i, std::move(answer), deadline, config_, tokenizer_);
    sequence->arrived = group.record.arrived;
    sequence->arrived_step = counters_.steps();
    sequence->client = clients_.Enter(request.client);
    if (begun.has_value()) {
      went_on.Update(GoOn(begun->answers[i].tokens, sequence.get()));
      if (begun->charged && sequence->begun_tokens > 0) {
        sequence->charged = sequence->tokens.size() - 1;
      }
    }
    waiting_.push_back(sequence.get());
    group.sequences.push_back(std::move(sequence));
  }
  if (!went_on.ok()) return Fail(&group, went_on);
  if (request.max_new_tokens > 0 || request.params.score()) return;
  for (size_t left = group.sequences.size(); left > 0; --left) {
    v1::Finish finish;
    finish.set_reason(v1::FINISH_REASON_LENGTH);
    Finish(waiting_.back(), std::move(finish));
  }
}

RequestGroup Engine::MakeGroup(uint64_t id, const Request& request,
                               std::shared_ptr<RequestSink> sink) {
  RequestGroup group;
  group.sink = std::move(sink);
  group.observer = request.probe ? &nobody_ : observer_;
  group.counters = request.probe ? &probe_counters_ : &counters_;
  group.record.number = id;
  group.record.id = request.id;
  group.record.client = request.client;
  group.record.n = request.n;
  group.record.prompt_tokens = request.prompt.size();
  group.record.arrived = clock_->Now();
  return group;
}

absl::Status Engine::QueueIsFull() const {
  absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat("the queue is full: ", waiting_.size(), " requests wait; try again later"));
  SetRetryDelay(std::clamp(finish_interval_, kMinRetryDelay, kMaxRetryDelay), &status);
  return status;
}

bool Engine::MakeRoomInQueue(const std::string& client) {
  std::map<absl::string_view, int64_t> counts;
  for (const Sequence* sequence : waiting_) ++counts[sequence->request.client];
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end() || most->second <= counts[client] + 1) return false;
  for (auto last = waiting_.rbegin(); last != waiting_.rend(); ++last) {
    // What it was given already is worth more than a place in the queue.
    if ((*last)->request.client != most->first || (*last)->group->started) continue;
    Fail((*last)->group, QueueIsFull());
    return true;
  }
  return false;
}

void Engine::SetDeadline(uint64_t id, absl::Duration deadline) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  for (const auto& sequence : found->second.sequences) sequence->deadline = deadline;
}

void Engine::Cancel(uint64_t id, const absl::Status& why) {
  const auto found = requests_.find(id);
  if (found != requests_.end()) Fail(&found->second, why);
}

void Engine::Fail(RequestGroup* group, const absl::Status& why) {
  v1::Counters* const counters = group->counters;
  if (absl::IsCancelled(why) || absl::IsDeadlineExceeded(why)) {
    counters->set_requests_cancelled(counters->requests_cancelled() + 1);
  } else if (absl::IsResourceExhausted(why)) {  // it gave its place in the queue to another
    counters->set_requests_rejected(counters->requests_rejected() + 1);
  } else {
    counters->set_requests_failed(counters->requests_failed() + 1);
  }
  group->record.ended = clock_->Now();
  group->observer->OnEnd(group->record, why);
  const std::shared_ptr<RequestSink> sink = group->sink;
  for (size_t left = group->sequences.size(); left > 0; --left) {
    Remove(group->sequences.back().get());
  }
  sink->OnError(why);
}

void Engine::Remove(Sequence* sequence) {
  Release(sequence);
  std::erase(running_, sequence);
  std::erase(waiting_, sequence);
  clients_.Leave(sequence->client);
  RequestGroup* const group = sequence->group;
  std::erase_if(group->sequences, [sequence](const auto& one) { return one.get() == sequence; });
  if (group->sequences.empty()) requests_.erase(group->record.number);
}

void Engine::Release(Sequence* sequence) {
  sequence->prefix.clear();
  if (sequence->number == 0) return;
  by_number_.erase(sequence->number);
  released_.push_back(sequence->number);
  blocks_->Free(&sequence->blocks);
  sequence->number = 0;
  sequence->scheduled = 0;
  sequence->score_rows = 0;
}

void Engine::Restart(Sequence* sequence) {
  Release(sequence);
  std::erase(running_, sequence);
  sequence->resumes = true;
  waiting_.push_front(sequence);
}

void Engine::Pump() {
  const absl::Duration now = clock_->Now();
  std::vector<RequestGroup*> late;
  for (auto& [id, group] : requests_) {
    if (group.sequences.front()->deadline <= now) late.push_back(&group);
  }
  for (RequestGroup* group : late) Fail(group, absl::DeadlineExceededError("deadline exceeded"));
  if (!epoch_.has_value()) {
    if (now >= recovery_ends_) FailAll(lost_);
    return;
  }
  while (SendStep()) {
  }
  if (!released_.empty()) {
    v1::StepHeader header;
    Send(&header, Step());
  }
}

absl::Duration Engine::NextDeadline() const {
  absl::Duration next = absl::InfiniteDuration();
  if (!epoch_.has_value() && !requests_.empty()) next = recovery_ends_;
  for (const auto& [id, group] : requests_) {
    next = std::min(next, group.sequences.front()->deadline);
  }
  return next;
}

std::optional<absl::Duration> Engine::OldestStepSent() const {
  if (in_flight_.empty()) return std::nullopt;
  return in_flight_.front().sent;
}

v1::Counters Engine::counters() const {
  v1::Counters counters = counters_;
  const auto requests = [](const auto& sequences) {
    return std::count_if(sequences.begin(), sequences.end(),
                         [](const Sequence* one) { return !one->request.probe; });
  };
  counters.set_requests_running(requests(running_));
  counters.set_requests_waiting(requests(waiting_));
  counters.set_steps_in_flight(in_flight_.size());
  if (blocks_.has_value()) counters.set_kv_blocks_used(blocks_->total() - blocks_->free());
  return counters;
}

}  // namespace gantry
