#include "coordinator/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/retry_info.h"

namespace gantry {
namespace {

constexpr double kSpeedSmoothing = 0.2;
constexpr double kFinishSmoothing = 0.1;
// What a client is told to wait before it asks again.
constexpr absl::Duration kMinRetryDelay = absl::Milliseconds(100);
constexpr absl::Duration kMaxRetryDelay = absl::Minutes(1);

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
  epoch_ = epoch;
  refusal_ = absl::OkStatus();
  blocks_.emplace(epoch.num_blocks);
  last_step_ = 0;
  counters_.set_kv_blocks_total(epoch.num_blocks);
}

void Engine::EndEpoch(const absl::Status& why) {
  refusal_ = why;
  while (!sequences_.empty()) Fail(sequences_.begin()->second.get(), why);
  epoch_.reset();
  blocks_.reset();
  in_flight_.clear();
  released_.clear();
  counters_.set_kv_blocks_total(0);
}

void Engine::Submit(uint64_t id, Request request, std::shared_ptr<RequestSink> sink,
                    absl::Duration deadline) {
  absl::Status refused = refusal_;
  if (refused.ok() && waiting_.size() >= options_.max_queue && !MakeRoomInQueue(request.client)) {
    refused = QueueIsFull();
  }
  if (!refused.ok()) {
    counters_.set_requests_rejected(counters_.requests_rejected() + 1);
    sink->OnError(refused);
    return;
  }
  auto sequence = std::make_unique<Sequence>(id, std::move(request), std::move(sink), deadline,
                                             config_, tokenizer_);
  sequence->arrived = clock_->Now();
  sequence->arrived_step = counters_.steps();
  sequence->client = clients_.Enter(sequence->request.client);
  Sequence* const added = sequence.get();
  sequences_.emplace(id, std::move(sequence));
  waiting_.push_back(added);
  if (added->request.max_new_tokens == 0 && !added->request.params.score()) {
    v1::Finish finish;
    finish.set_reason(v1::FINISH_REASON_LENGTH);
    Finish(added, std::move(finish));
  }
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
    if ((*last)->request.client != most->first || (*last)->resumes) continue;
    Fail(*last, QueueIsFull());
    return true;
  }
  return false;
}

void Engine::Cancel(uint64_t id, const absl::Status& why) {
  const auto found = sequences_.find(id);
  if (found != sequences_.end()) Fail(found->second.get(), why);
}

void Engine::OnResult(const v1::StepHeader& result) {
  if (!epoch_.has_value() || result.epoch() != epoch_->number || in_flight_.empty() ||
      result.step() < in_flight_.front().number || result.step() > last_step_) {
    counters_.set_stale_results(counters_.stale_results() + 1);
    return;
  }
  // Steps run in order: those before this one have ended too.
  while (!in_flight_.empty() && in_flight_.front().number <= result.step()) {
    if (in_flight_.front().number == result.step()) Measure(in_flight_.front());
    observer_->OnStepDone(clock_->Now() - in_flight_.front().sent);
    in_flight_.pop_front();
  }
  for (const v1::SequenceSlice& slice : result.slices()) {
    if (slice.error().empty()) continue;
    const auto found = by_number_.find(slice.sequence());
    if (found != by_number_.end()) Fail(found->second, absl::InternalError(slice.error()));
  }
  for (const v1::SliceResult& slice : result.results()) ReadResult(slice);
}

void Engine::Measure(const Step& step) {
  if (step.decodes == 0 || step.others_prompts) return;
  const absl::Duration time = clock_->Now() - step.sent;
  if (step.prompt_tokens == 0) {
    chunk_.OnDecodes(time, step.decodes);
  } else {
    chunk_.OnMixed(time, step.decodes, step.prompt_tokens);
  }
}

void Engine::ReadResult(const v1::SliceResult& result) {
  const auto found = by_number_.find(result.sequence());
  if (found == by_number_.end()) return;  // it was cancelled or is being computed again
  Sequence* const sequence = found->second;
  if (!result.error().empty()) return Fail(sequence, absl::InternalError(result.error()));
  if (sequence->request.params.score()) return Score(result, sequence);
  const int32_t id = result.tokens_size() == 1 ? result.tokens(0).token().token_id() : -1;
  if (sequence->scheduled != sequence->tokens.size() || id < 0 || id >= config_->vocab_size) {
    return Fail(sequence, absl::InternalError("the last stage gave a malformed result"));
  }
  const absl::Duration now = clock_->Now();
  if (sequence->generation.tokens() == 0) {
    sequence->first_token = now;
    observer_->OnFirstToken(now - sequence->arrived);
  } else {
    observer_->OnNextToken(now - sequence->last_token);
  }
  sequence->last_token = now;
  counters_.set_generated_tokens(counters_.generated_tokens() + 1);
  sequence->tokens.push_back(id);
  Generation::Event event = sequence->generation.Add(result.tokens(0));
  sequence->sink->OnToken(std::move(event.token));
  if (event.finish.has_value()) return Finish(sequence, *std::move(event.finish));
  if (sequence->constraint != nullptr) {
    const absl::Status accepted = sequence->constraint->Accept(id);
    if (!accepted.ok()) return Fail(sequence, accepted);
  }
  if (sequence->rope.MustRestart(sequence->tokens.size())) {
    sequence->rope.Restart(sequence->tokens.size());
    Restart(sequence);
  }
}

void Engine::Score(const v1::SliceResult& result, Sequence* sequence) {
  const auto send = [sequence](v1::ScoredToken scored) {
    scored.set_token_id(sequence->tokens[sequence->scored++]);
    sequence->sink->OnScored(std::move(scored));
  };
  sequence->last_token = clock_->Now();
  if (sequence->scored == 0) {
    sequence->first_token = sequence->last_token;
    send(v1::ScoredToken());  // nothing precedes the first
  }
  for (const v1::StepToken& row : result.tokens()) {
    if (sequence->scored == sequence->tokens.size()) break;  // the row after the last token
    v1::ScoredToken scored;
    scored.set_logprob(row.token().logprob());
    for (const v1::StepLogprob& top : row.top()) {
      *scored.add_top_logprobs() = MakeTopLogprob(top, tokenizer_);
    }
    send(std::move(scored));
  }
  if (sequence->scored == sequence->tokens.size()) Finish(sequence, v1::Finish());
}

void Engine::Finish(Sequence* sequence, v1::Finish finish) {
  const absl::Duration now = clock_->Now();
  const int64_t tokens = sequence->generation.tokens();
  finish.set_prompt_tokens(sequence->request.prompt.size());
  finish.set_completion_tokens(tokens);
  if (sequence->started != absl::InfiniteDuration()) {
    finish.set_queue_s(absl::ToDoubleSeconds(sequence->started - sequence->arrived));
  }
  if (sequence->first_token != absl::InfiniteDuration()) {
    finish.set_time_to_first_token_s(
        absl::ToDoubleSeconds(sequence->first_token - sequence->arrived));
    finish.set_prefill_s(absl::ToDoubleSeconds(sequence->first_token - sequence->started));
    const double seconds = absl::ToDoubleSeconds(sequence->last_token - sequence->first_token);
    finish.set_decode_s(seconds);
    if (tokens > 1 && seconds > 0) {
      const double speed = (tokens - 1) / seconds;
      finish.set_tokens_per_s(speed);
      const double before = counters_.decode_tokens_per_s();
      counters_.set_decode_tokens_per_s(before == 0 ? speed
                                                    : before + kSpeedSmoothing * (speed - before));
    }
  }
  counters_.set_requests_finished(counters_.requests_finished() + 1);
  if (last_finish_ != absl::InfiniteDuration()) {
    finish_interval_ += kFinishSmoothing * (now - last_finish_ - finish_interval_);
  }
  last_finish_ = now;
  observer_->OnFinish(finish);
  const std::shared_ptr<RequestSink> sink = sequence->sink;
  Remove(sequence);
  sink->OnFinish(std::move(finish));
}

void Engine::Fail(Sequence* sequence, const absl::Status& why) {
  if (absl::IsCancelled(why) || absl::IsDeadlineExceeded(why)) {
    counters_.set_requests_cancelled(counters_.requests_cancelled() + 1);
  } else {
    counters_.set_requests_failed(counters_.requests_failed() + 1);
  }
  observer_->OnFail(why);
  const std::shared_ptr<RequestSink> sink = sequence->sink;
  Remove(sequence);
  sink->OnError(why);
}

void Engine::Remove(Sequence* sequence) {
  Release(sequence);
  std::erase(running_, sequence);
  std::erase(waiting_, sequence);
  clients_.Leave(sequence->client);
  sequences_.erase(sequence->request_id);
}

void Engine::Release(Sequence* sequence) {
  if (sequence->number == 0) return;
  by_number_.erase(sequence->number);
  released_.push_back(sequence->number);
  blocks_->Free(&sequence->blocks);
  sequence->number = 0;
  sequence->scheduled = 0;
}

void Engine::Restart(Sequence* sequence) {
  Release(sequence);
  std::erase(running_, sequence);
  sequence->resumes = true;
  waiting_.push_front(sequence);
}

void Engine::Pump() {
  const absl::Duration now = clock_->Now();
  std::vector<Sequence*> late;
  for (const auto& [id, sequence] : sequences_) {
    if (sequence->deadline <= now) late.push_back(sequence.get());
  }
  for (Sequence* sequence : late) Fail(sequence, absl::DeadlineExceededError("deadline exceeded"));
  if (!epoch_.has_value()) return;
  while (SendStep()) {
  }
  if (!released_.empty()) {
    v1::StepHeader header;
    Send(&header, Step());
  }
}

absl::Duration Engine::NextDeadline() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [id, sequence] : sequences_) next = std::min(next, sequence->deadline);
  return next;
}

std::optional<absl::Duration> Engine::OldestStepSent() const {
  if (in_flight_.empty()) return std::nullopt;
  return in_flight_.front().sent;
}

v1::Counters Engine::counters() const {
  v1::Counters counters = counters_;
  counters.set_requests_running(running_.size());
  counters.set_requests_waiting(waiting_.size());
  counters.set_steps_in_flight(in_flight_.size());
  if (blocks_.has_value()) counters.set_kv_blocks_used(blocks_->total() - blocks_->free());
  return counters;
}

}  // namespace gantry
