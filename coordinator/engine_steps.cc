// The part of the engine that makes steps.

#include <algorithm>

#include "coordinator/engine.h"

namespace gantry {

bool Engine::SendStep() {
  const StepPlan plan = PlanStep(Snapshot());
  // Indices of the plan are those of the snapshot.
  std::vector<Sequence*> planned = running_;
  planned.insert(planned.end(), waiting_.begin(), waiting_.end());
  const size_t running = running_.size();
  for (int i : plan.preempted) Restart(planned[i]);
  for (int i : plan.admitted) Start(planned[running + i]);
  if (plan.slices.empty()) return false;
  v1::StepHeader header;
  Step step;
  for (const PlannedSlice& slice : plan.slices) {
    Sequence* const sequence = planned[slice.sequence];
    const bool continues = slice.start > 0 && slice.start + 1 == sequence->tokens.size() &&
                           !sequence->request.params.score();
    (continues ? step.decodes : step.prompt_tokens) += slice.count;
    FillSlice(slice, sequence, header.add_slices());
  }
  Send(&header, step);
  return true;
}

void Engine::Start(Sequence* sequence) {
  std::erase(waiting_, sequence);
  running_.push_back(sequence);
  sequence->resumes = false;
  sequence->number = ++last_number_;
  by_number_.emplace(sequence->number, sequence);
  if (sequence->started != absl::InfiniteDuration()) return;
  sequence->started = clock_->Now();
  counters_.set_prompt_tokens(counters_.prompt_tokens() + sequence->request.prompt.size());
}

SchedulerState Engine::Snapshot() {
  SchedulerState state;
  state.clients = clients_.Number();
  for (const Sequence* sequence : running_) state.running.push_back(sequence->View());
  if (running_.size() < options_.max_sequences) {
    for (const Sequence* sequence : waiting_) {
      state.waiting.push_back(sequence->View());
      state.waiting.back().waited_steps = counters_.steps() - sequence->arrived_step;
    }
  }
  state.free_blocks = blocks_->free();
  state.block_size = options_.block_size;
  state.max_step_tokens = options_.max_step_tokens;
  state.max_step_rows = options_.max_step_rows;
  state.max_prompt_tokens_beside_decode = chunk_.tokens();
  state.max_running = options_.max_sequences;
  state.stages = epoch_->stages;
  state.steps_in_flight = in_flight_.size();
  state.max_steps_in_flight =
      options_.max_steps_in_flight > 0 ? options_.max_steps_in_flight : epoch_->stages + 1;
  for (const Step& step : in_flight_) state.decode_steps_in_flight += step.decodes > 0;
  return state;
}

void Engine::FillSlice(const PlannedSlice& planned, Sequence* sequence, v1::SequenceSlice* slice) {
  const size_t held = sequence->blocks.size();
  blocks_->Allocate(planned.new_blocks, &sequence->blocks);
  for (size_t i = held; i < sequence->blocks.size(); ++i) {
    slice->add_new_blocks(sequence->blocks[i]);
  }
  const auto first = sequence->tokens.begin() + planned.start;
  slice->mutable_token_ids()->Add(first, first + planned.count);
  slice->set_sequence(sequence->number);
  slice->set_start(planned.start);
  slice->set_logit_rows(planned.logit_rows);
  slice->set_rope_length(sequence->rope.At(planned.start).rope_length);
  if (planned.start == 0) *slice->mutable_params() = sequence->request.params;
  if (planned.logit_rows > 0 && sequence->constraint != nullptr) {
    sequence->constraint->Allowed(slice->mutable_allowed_tokens());
  }
  const size_t end = planned.start + planned.count;
  slice->set_following_token(sequence->request.params.score() && end < sequence->tokens.size()
                                 ? sequence->tokens[end]
                                 : -1);
  // What is computed again, having been preempted, is not the client's doing.
  for (size_t i = std::max<size_t>(planned.start, sequence->charged); i < end; ++i) {
    sequence->client->served += ServiceOf(1, i >= sequence->request.prompt.size());
  }
  sequence->charged = std::max(sequence->charged, end);
  sequence->scheduled = end;
  sequence->last_step = last_step_ + 1;
}

void Engine::Send(v1::StepHeader* header, Step step) {
  header->set_epoch(epoch_->number);
  header->set_step(++last_step_);
  header->mutable_released()->Add(released_.begin(), released_.end());
  released_.clear();
  step.number = last_step_;
  step.sent = clock_->Now();
  for (Step& before : in_flight_) {
    // Chunks that were sent beside these are as long as those of this step, which is what is
    // measured; longer ones are of a time when nothing was to continue.
    step.others_prompts |= before.prompt_tokens > step.prompt_tokens;
    before.others_prompts |= step.prompt_tokens > before.prompt_tokens;
  }
  in_flight_.push_back(step);
  counters_.set_steps(counters_.steps() + 1);
  int64_t tokens = 0;
  for (const v1::SequenceSlice& slice : header->slices()) tokens += slice.token_ids_size();
  observer_->OnStepSent(tokens);
  // A broken link ends the epoch from outside, and with it every sequence.
  epoch_->sink->Send(*header);
}

}  // namespace gantry
