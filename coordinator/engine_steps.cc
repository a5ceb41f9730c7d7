// The part of the engine that makes steps.

#include <algorithm>
#include <utility>

#include "coordinator/engine.h"
#include "proto/step_frame.h"

namespace gantry {

bool Engine::SendStep() {
  std::vector<Sequence*> planned;
  const StepPlan plan = PlanStep(Snapshot(&planned));
  const size_t running = running_.size();
  for (int i : plan.preempted) Preempt(planned[i]);
  // All before any takes new blocks, which may be those that another is about to share.
  for (int i : plan.admitted) Start(planned[running + i]);
  if (plan.slices.empty()) return !plan.preempted.empty();
  v1::StepHeader header;
  Step step;
  for (const PlannedSlice& slice : plan.slices) {
    (slice.continues ? step.decodes : step.prompt_tokens) += slice.count;
    step.parts.push_back({planned[slice.sequence]->group->record.number, slice.count});
    FillSlice(slice, planned[slice.sequence], header.add_slices());
  }
  Send(&header, std::move(step));
  return true;
}

SchedulerState Engine::Snapshot(std::vector<Sequence*>* sequences) {
  SchedulerState state;
  state.clients = clients_.Number();
  // Only where blocks may run out does it matter which are shared.
  const bool scarce = blocks_->free() < running_.size();
  const auto free_without = [this](const std::vector<uint32_t>& blocks) {
    return std::count_if(blocks.begin(), blocks.end(),
                         [this](uint32_t block) { return blocks_->users(block) == 1; });
  };
  // Only a stage that also samples can feed a token back.
  const bool feeds_back = epoch_->stages == 1;
  for (Sequence* sequence : running_) {
    sequences->push_back(sequence);
    state.running.push_back(sequence->View());
    state.running.back().feeds_back = feeds_back && sequence->MayFeedBack();
    if (scarce) state.running.back().own_blocks = free_without(sequence->blocks);
  }
  const bool admits = running_.size() < options_.max_sequences;
  for (Sequence* sequence : waiting_) {
    // Others of its request are about to have what it can share.
    if (!admits) break;
    const bool first = sequence == sequence->group->sequences.front().get();
    if (prefixes_.has_value() && !first && !sequence->group->prompt_sent) continue;
    FindPrefix(sequence);
    sequences->push_back(sequence);
    SequenceView view = sequence->View();
    view.blocks = sequence->prefix.size();
    view.own_blocks =
        std::count_if(sequence->prefix.begin(), sequence->prefix.end(),
                      [this](const auto& entry) { return blocks_->users(entry.block) == 0; });
    view.waited_steps = counters_.steps() - sequence->arrived_step;
    state.waiting.push_back(view);
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
  state.max_decode_steps_in_flight = feeds_back ? 2 : epoch_->stages;
  return state;
}

void Engine::Start(Sequence* sequence) {
  std::erase(waiting_, sequence);
  running_.push_back(sequence);
  sequence->resumes = false;
  sequence->group->started = true;
  sequence->number = ++last_number_;
  by_number_.emplace(sequence->number, sequence);
  sequence->sent_blocks = 0;
  for (const PrefixCache::Entry& entry : sequence->prefix) {
    blocks_->Share(entry.block);
    sequence->blocks.push_back(entry.block);
  }
  if (sequence->started != absl::InfiniteDuration()) return;
  sequence->started = clock_->Now();
  const int64_t prompt_tokens = sequence->request.prompt.size();
  sequence->shared_tokens = std::min(sequence->scheduled, prompt_tokens);
  v1::Counters* const counters = sequence->group->counters;
  counters->set_prompt_tokens(counters->prompt_tokens() + prompt_tokens);
  counters->set_prompt_tokens_shared(counters->prompt_tokens_shared() + sequence->shared_tokens);
  if (prefixes_.has_value() && !sequence->request.params.score()) {
    counters->set_prefix_cache_queries(counters->prefix_cache_queries() + prompt_tokens);
  }
  RequestRecord& record = sequence->group->record;
  if (record.started != absl::InfiniteDuration()) return;
  record.started = sequence->started;
  record.shared_tokens = sequence->shared_tokens;
  sequence->group->observer->OnChange(record);
}

void Engine::Preempt(Sequence* sequence) {
  Restart(sequence);
  RequestGroup* const group = sequence->group;
  group->counters->set_preemptions(group->counters->preemptions() + 1);
  ++group->record.preemptions;
  group->observer->OnChange(group->record);
}

void Engine::FillSlice(const PlannedSlice& planned, Sequence* sequence, v1::SequenceSlice* slice) {
  const bool begins = sequence->sent_blocks == 0;
  blocks_->Allocate(planned.new_blocks, &sequence->blocks);
  const auto new_blocks = sequence->blocks.begin() + sequence->sent_blocks;
  slice->mutable_new_blocks()->Add(new_blocks, sequence->blocks.end());
  sequence->sent_blocks = sequence->blocks.size();
  const size_t end = planned.start + planned.count;
  const auto first = sequence->tokens.begin() + planned.start;
  if (end > sequence->tokens.size()) {
    slice->add_token_ids(kSampledToken);
  } else {
    slice->mutable_token_ids()->Add(first, first + planned.count);
  }
  slice->set_sequence(sequence->number);
  slice->set_start(planned.start);
  slice->set_logit_rows(planned.logit_rows);
  slice->set_rope_length(sequence->rope.At(planned.start).rope_length);
  if (begins) {
    *slice->mutable_params() = sequence->request.params;
    slice->mutable_prefix_token_ids()->Add(sequence->tokens.begin(), first);
  }
  if (planned.logit_rows > 0 && sequence->constraint != nullptr) {
    sequence->constraint->Allowed(slice->mutable_allowed_tokens());
  }
  slice->set_following_token(sequence->request.params.score() && end < sequence->tokens.size()
                                 ? sequence->tokens[end]
                                 : -1);
  Charge(planned, sequence);
  sequence->scheduled = end;
  sequence->last_step = last_step_ + 1;
  if (end >= sequence->request.prompt.size()) sequence->group->prompt_sent = true;
  AddToPrefix(sequence);
}

void Engine::Charge(const PlannedSlice& planned, Sequence* sequence) {
  const int64_t end = planned.start + planned.count;
  const int64_t prompt = sequence->request.prompt.size();
  // What is computed again, having been preempted, is not the client's doing.
  const int64_t begin = std::max(planned.start, sequence->charged);
  for (int64_t i = begin; i < end; ++i) sequence->client->served += ServiceOf(1, i >= prompt);
  v1::Counters* const counters = sequence->group->counters;
  counters->set_replayed_tokens(counters->replayed_tokens() + std::min(begin, end) - planned.start);
  sequence->charged = std::max(sequence->charged, end);
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
  observer_->OnStepSent(step.decodes + step.prompt_tokens);
  in_flight_.push_back(std::move(step));
  counters_.set_steps(counters_.steps() + 1);
  // A broken link ends the epoch from outside, and with it every sequence.
  epoch_->sink->Send(*header);
}

std::optional<PrefixCache::Next> Engine::NextOfPrefix(const Sequence& sequence) const {
  const int64_t begin = sequence.prefix.size() * options_.block_size;
  const int64_t end = begin + options_.block_size;
  if (end > sequence.tokens.size()) return std::nullopt;
  const std::optional<int64_t> rope = sequence.rope.Embedding(begin, end);
  if (!rope.has_value()) return std::nullopt;
  PrefixCache::Next next;
  next.before = sequence.prefix.empty() ? PrefixCache::kRoot : sequence.prefix.back().id;
  next.owner = options_.share_prefixes_across_clients ? &any_owner_ : &sequence.request.client;
  next.rope = *rope;
  next.token_ids = absl::MakeConstSpan(sequence.tokens).subspan(begin, options_.block_size);
  return next;
}

void Engine::FindPrefix(Sequence* sequence) {
  // A score needs the row of each token, and those are not kept.
  if (!prefixes_.has_value() || sequence->request.params.score()) return;
  std::vector<PrefixCache::Entry>& prefix = sequence->prefix;
  const auto lost = std::find_if(prefix.begin(), prefix.end(),
                                 [this](const auto& entry) { return !prefixes_->Holds(entry); });
  prefix.erase(lost, prefix.end());
  // The last token has to be computed, for it gives the next.
  while ((prefix.size() + 1) * options_.block_size < sequence->tokens.size()) {
    const std::optional<PrefixCache::Next> next = NextOfPrefix(*sequence);
    const PrefixCache::Entry* const entry = next.has_value() ? prefixes_->Find(*next) : nullptr;
    if (entry == nullptr) break;
    prefix.push_back(*entry);
  }
  sequence->scheduled = prefix.size() * options_.block_size;
}

void Engine::AddToPrefix(Sequence* sequence) {
  if (!prefixes_.has_value()) return;
  while ((sequence->prefix.size() + 1) * options_.block_size <= sequence->scheduled) {
    const std::optional<PrefixCache::Next> next = NextOfPrefix(*sequence);
    if (!next.has_value()) return;
    const uint32_t block = sequence->blocks[sequence->prefix.size()];
    sequence->prefix.push_back({prefixes_->Add(*next, block), block});
  }
}

}  // namespace gantry
