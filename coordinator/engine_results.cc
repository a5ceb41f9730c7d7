// The part of the engine that reads the results of steps.

#include <algorithm>
#include <utility>

#include "coordinator/engine.h"

namespace gantry {
namespace {

constexpr double kSpeedSmoothing = 0.2;
constexpr double kFinishSmoothing = 0.1;

}  // namespace

void Engine::OnResult(const v1::StepHeader& result) {
  if (!epoch_.has_value() || result.epoch() != epoch_->number || in_flight_.empty() ||
      result.step() < in_flight_.front().number || result.step() > last_step_) {
    counters_.set_stale_results(counters_.stale_results() + 1);
    return;
  }
  // Steps run in order: those before this one have ended too.
  while (!in_flight_.empty() && in_flight_.front().number <= result.step()) EndStep(result);
  last_result_ = clock_->Now();
  for (const v1::SequenceSlice& slice : result.slices()) {
    if (slice.error().empty()) continue;
    const auto found = by_number_.find(slice.sequence());
    if (found != by_number_.end()) {
      FailComputation(found->second, absl::InternalError(slice.error()));
    }
  }
  for (const v1::SliceResult& slice : result.results()) ReadResult(slice);
}

absl::Duration Engine::TimeOf(const Step& step) const {
  // One stage begins with a step that was sent ahead when it has done the one before.
  const absl::Duration begun = epoch_->stages == 1 ? std::max(step.sent, last_result_) : step.sent;
  return clock_->Now() - begun;
}

void Engine::EndStep(const v1::StepHeader& result) {
  Step& step = in_flight_.front();
  DoneStep done;
  done.sent = step.sent;
  done.done = clock_->Now();
  done.busy = TimeOf(step);
  done.tokens = step.decodes + step.prompt_tokens;
  done.parts = std::move(step.parts);
  if (step.number == result.step()) {
    Measure(step);
    done.stages = ReadStageCosts(result, epoch_->stages, done.done - done.sent);
  }
  observer_->OnStepDone(done);
  in_flight_.pop_front();
}

void Engine::Measure(const Step& step) {
  if (step.decodes == 0 || (step.others_prompts && epoch_->stages > 1)) return;
  const absl::Duration time = TimeOf(step);
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
  if (!result.error().empty()) {
    return FailComputation(sequence, absl::InternalError(result.error()));
  }
  if (sequence->request.params.score()) return Score(result, sequence);
  const int32_t id = result.tokens_size() == 1 ? result.tokens(0).token().token_id() : -1;
  if (sequence->scheduled < sequence->tokens.size() || id < 0 || id >= config_->vocab_size) {
    return FailComputation(sequence, absl::InternalError("the last stage gave a malformed result"));
  }
  NoteToken(sequence);
  sequence->tokens.push_back(id);
  AddToPrefix(sequence);
  sequence->group->suspensions = 0;
  Generation::Event event = sequence->generation.Add(result.tokens(0));
  event.token.set_sequence_index(sequence->index);
  sequence->group->sink->OnToken(std::move(event.token));
  if (event.finish.has_value()) return Finish(sequence, *std::move(event.finish));
  if (sequence->constraint != nullptr) {
    const absl::Status accepted = sequence->constraint->Accept(id);
    if (!accepted.ok()) return Fail(sequence->group, accepted);
  }
  if (sequence->rope.MustRestart(sequence->tokens.size())) {
    sequence->rope.Restart(sequence->tokens.size());
    Restart(sequence);
  }
}

void Engine::NoteToken(Sequence* sequence) {
  const absl::Duration now = clock_->Now();
  RequestGroup* const group = sequence->group;
  RequestRecord& record = group->record;
  record.first_token = std::min(record.first_token, now);
  record.last_token = now;
  ++record.completion_tokens;
  std::optional<absl::Duration> since_last;
  if (sequence->first_token == absl::InfiniteDuration()) {
    sequence->first_token = now;
  } else {
    since_last = now - sequence->last_token;
  }
  sequence->last_token = now;
  group->counters->set_generated_tokens(group->counters->generated_tokens() + 1);
  group->observer->OnToken(record, since_last);
}

void Engine::Score(const v1::SliceResult& result, Sequence* sequence) {
  const auto send = [sequence](v1::ScoredToken scored) {
    scored.set_token_id(sequence->tokens[sequence->scored++]);
    sequence->group->suspensions = 0;
    sequence->group->sink->OnScored(std::move(scored));
  };
  sequence->last_token = clock_->Now();
  sequence->group->record.last_token = sequence->last_token;
  if (sequence->scored == 0) {
    sequence->first_token = sequence->last_token;
    sequence->group->record.first_token = sequence->last_token;
    send(v1::ScoredToken());  // nothing precedes the first
  }
  for (const v1::StepToken& row : result.tokens()) {
    // The row after the last token says nothing, and of one that was computed again the first are
    // known.
    const int64_t token = ++sequence->score_rows;
    if (token != sequence->scored || token == sequence->tokens.size()) continue;
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
  finish.set_sequence_index(sequence->index);
  finish.set_prompt_tokens(sequence->request.prompt.size());
  finish.set_shared_prompt_tokens(sequence->shared_tokens);
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
    const int64_t timed = tokens - sequence->begun_tokens;
    if (timed > 1 && seconds > 0) {
      const double speed = (timed - 1) / seconds;
      finish.set_tokens_per_s(speed);
      const double before = counters_.decode_tokens_per_s();
      counters_.set_decode_tokens_per_s(before == 0 ? speed
                                                    : before + kSpeedSmoothing * (speed - before));
    }
  }
  if (last_finish_ != absl::InfiniteDuration()) {
    finish_interval_ += kFinishSmoothing * (now - last_finish_ - finish_interval_);
  }
  last_finish_ = now;
  RequestGroup* const group = sequence->group;
  RequestRecord& record = group->record;
  if (record.reason != v1::FINISH_REASON_LENGTH) record.reason = finish.reason();
  if (group->sequences.size() == 1) {
    group->counters->set_requests_finished(group->counters->requests_finished() + 1);
    record.ended = now;
    group->observer->OnEnd(record, absl::OkStatus());
  }
  const std::shared_ptr<RequestSink> sink = group->sink;
  Remove(sequence);
  sink->OnFinish(std::move(finish));
}

void Engine::FailComputation(Sequence* sequence, const absl::Status& why) {
  // Nobody else is to read what it left.
  if (prefixes_.has_value()) {
    for (const PrefixCache::Entry& entry : sequence->prefix) {
      if (prefixes_->Holds(entry)) prefixes_->Forget(entry.block);
    }
  }
  Fail(sequence->group, why);
}

}  // namespace gantry
