#include "coordinator/scheduler.h"

#include <algorithm>

#include "coordinator/blocks.h"

namespace gantry {
namespace {

bool Continues(const SequenceView& sequence) {
  if (sequence.score || sequence.scheduled == 0) return false;
  const int64_t unscheduled = sequence.length - sequence.scheduled;
  return unscheduled == 1 || (unscheduled == 0 && sequence.feeds_back);
}

class Planner {
 public:
  explicit Planner(const SchedulerState& state)
      : state_(state),
        tokens_(state.max_step_tokens),
        rows_(state.max_step_rows),
        free_blocks_(state.free_blocks),
        taken_(state.running.size(), false) {}

  StepPlan Plan() {
    if (state_.steps_in_flight >= state_.max_steps_in_flight) return {};
    if (state_.decode_steps_in_flight < state_.max_decode_steps_in_flight) PlanDecodes();
    for (int i = 0; i < state_.running.size(); ++i) {
      if (!taken_[i] && !Continues(state_.running[i])) PlanChunk(i, state_.running[i], 0);
    }
    if (plan_.preempted.empty()) Admit();
    return std::move(plan_);
  }

 private:
  void PlanDecodes() {
    std::vector<int> ready;
    int64_t decoding = 0;
    for (int i = 0; i < state_.running.size(); ++i) {
      const SequenceView& sequence = state_.running[i];
      if (Continues(sequence)) ready.push_back(i);
      decoding += Continues(sequence) || (!sequence.score && sequence.scheduled >= sequence.length);
    }
    std::stable_sort(ready.begin(), ready.end(), [this](int a, int b) {
      return state_.running[a].last_step < state_.running[b].last_step;
    });
    const int64_t share = (decoding + state_.stages - 1) / state_.stages;
    for (int i : ready) {
      if (plan_.slices.size() >= share || tokens_ == 0 || rows_ == 0) break;
      if (taken_[i]) continue;  // preempted by one before
      const SequenceView& sequence = state_.running[i];
      const int64_t needed = BlocksFor(sequence.scheduled + 1, state_.block_size) - sequence.blocks;
      taken_[i] = true;
      if (!MakeRoom(i, needed)) {
        taken_[i] = false;
        continue;
      }
      free_blocks_ -= needed;
      AddSlice({i, sequence.scheduled, 1, needed, 1});
      plan_.decodes = true;
    }
  }

  // Preempts sequences younger than `sequence`, the youngest first, until `needed` blocks are free.
  bool MakeRoom(int sequence, int64_t needed) {
    for (int victim = state_.running.size() - 1; victim > sequence && free_blocks_ < needed;
         --victim) {
      if (taken_[victim] || state_.running[victim].blocks == 0) continue;
      taken_[victim] = true;
      free_blocks_ += state_.running[victim].blocks;
      plan_.preempted.push_back(victim);
    }
    return free_blocks_ >= needed;
  }

  // Whether a slice was planned.
  bool PlanChunk(int index, const SequenceView& sequence, int64_t new_blocks) {
    const int64_t remaining = sequence.length - sequence.scheduled;
    int64_t count = std::min({remaining, sequence.max_chunk, tokens_});
    if (sequence.score) {
      count = std::min(count, rows_);
    } else if (count == remaining && rows_ == 0) {
      --count;
    }
    if (count <= 0) return false;
    const int64_t rows = sequence.score ? count : (count == remaining ? 1 : 0);
    AddSlice({index, sequence.scheduled, count, new_blocks, rows});
    return true;
  }

  void Admit() {
    int64_t running = state_.running.size();
    for (const SequenceView& sequence : state_.waiting) {
      if (running >= state_.max_running) return;
      const int64_t needed = BlocksFor(sequence.length, state_.block_size);
      // Each running sequence may soon want a block; admitting less is cheaper than preempting.
      if (free_blocks_ - needed < running) return;
      const int index = state_.running.size() + plan_.admitted;
      if (!PlanChunk(index, sequence, needed)) return;
      free_blocks_ -= needed;
      ++plan_.admitted;
      ++running;
    }
  }

  void AddSlice(const PlannedSlice& slice) {
    tokens_ -= slice.count;
    rows_ -= slice.logit_rows;
    plan_.slices.push_back(slice);
  }

  const SchedulerState& state_;
  int64_t tokens_;  // left in the step, as the following
  int64_t rows_;
  int64_t free_blocks_;
  std::vector<bool> taken_;  // in the step, or preempted
  StepPlan plan_;
};

}  // namespace

StepPlan PlanStep(const SchedulerState& state) { return Planner(state).Plan(); }

}  // namespace gantry
