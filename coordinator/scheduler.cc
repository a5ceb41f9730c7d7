#include "coordinator/scheduler.h"

#include <algorithm>
#include <deque>

#include "coordinator/blocks.h"

namespace gantry {
namespace {

bool Continues(const SequenceView& sequence) {
  if (sequence.score || sequence.scheduled == 0) return false;
  const int64_t unscheduled = sequence.length - sequence.scheduled;
  return unscheduled == 1 || (unscheduled == 0 && sequence.feeds_back);
}

bool AwaitsResult(const SequenceView& sequence) {
  return !sequence.score && sequence.scheduled >= sequence.length;
}

int64_t EffectivePriority(const SequenceView& sequence) {
  return sequence.priority + sequence.waited_steps / kStepsPerPriority;
}

class Planner {
 public:
  explicit Planner(const SchedulerState& state)
      : state_(state),
        served_(state.clients),
        tokens_(state.max_step_tokens),
        rows_(state.max_step_rows),
        free_blocks_(state.free_blocks),
        taken_(state.running.size(), false) {}

  StepPlan Plan() {
    if (state_.steps_in_flight >= state_.max_steps_in_flight) return {};
    for (const SequenceView& sequence : state_.running) {
      decoding_ += Continues(sequence) || AwaitsResult(sequence);
    }
    if (state_.decode_steps_in_flight < state_.max_decode_steps_in_flight) PlanDecodes();
    // Where those that continue wait for blocks, prompts that hold some must get on.
    if (decoding_ > 0 && (plan_.decodes || state_.steps_in_flight > 0)) {
      // Every stage has work already, and a sequence would wait behind these prompts.
      if (!plan_.decodes && state_.steps_in_flight >= state_.stages) return std::move(plan_);
      tokens_ = std::min(tokens_, state_.max_prompt_tokens_beside_decode);
    }
    PlanPrompts();
    return std::move(plan_);
  }

 private:
  void PlanDecodes() {
    std::vector<int> ready;
    for (int i = 0; i < state_.running.size(); ++i) {
      if (Continues(state_.running[i])) ready.push_back(i);
    }
    // Who cannot feed back would be left out of a step that is sent ahead, and stay apart from then
    // on: two steps would read the weights where one does.
    if (state_.decode_steps_in_flight >= state_.stages && ready.size() < decoding_) return;
    std::stable_sort(ready.begin(), ready.end(), [this](int a, int b) {
      return state_.running[a].last_step < state_.running[b].last_step;
    });
    if (ready.size() > std::min(tokens_, rows_)) ready = InTurn(ready);
    const int64_t share = (decoding_ + state_.stages - 1) / state_.stages;
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
      AddSlice({i, sequence.scheduled, 1, needed, 1, /*continues=*/true});
      served_[sequence.client] += ServiceOf(1, /*generated=*/true);
      plan_.decodes = true;
    }
  }

  // The same sequences, but each time one of the client that would have had the least by then.
  std::vector<int> InTurn(const std::vector<int>& sequences) const {
    std::vector<std::deque<int>> queues(served_.size());
    for (int i : sequences) queues[state_.running[i].client].push_back(i);
    std::vector<double> served = served_;
    std::vector<int> ordered;
    while (ordered.size() < sequences.size()) {
      const int client = LeastServed(served, [&](int c) { return !queues[c].empty(); });
      ordered.push_back(queues[client].front());
      queues[client].pop_front();
      served[client] += ServiceOf(1, /*generated=*/true);
    }
    return ordered;
  }

  // -1 when there is none.
  template <typename Wants>
  static int LeastServed(const std::vector<double>& served, Wants wants) {
    int least = -1;
    for (int client = 0; client < served.size(); ++client) {
      if (wants(client) && (least < 0 || served[client] < served[least])) least = client;
    }
    return least;
  }

  // Preempts sequences younger than `sequence`, the youngest first, until `needed` blocks are free.
  bool MakeRoom(int sequence, int64_t needed) {
    for (int victim = state_.running.size() - 1; victim > sequence && free_blocks_ < needed;
         --victim) {
      if (taken_[victim] || state_.running[victim].blocks == 0) continue;
      taken_[victim] = true;
      free_blocks_ += state_.running[victim].own_blocks;
      plan_.preempted.push_back(victim);
    }
    return free_blocks_ >= needed;
  }

  // A client's prompts in the order in which they are to be computed.
  struct Queue {
    std::deque<int> running;
    std::deque<int> waiting;
  };

  void PlanPrompts() {
    std::vector<Queue> queues(served_.size());
    for (int i = 0; i < state_.running.size(); ++i) {
      const SequenceView& sequence = state_.running[i];
      if (taken_[i] || Continues(sequence) || sequence.scheduled >= sequence.length) continue;
      queues[sequence.client].running.push_back(i);
    }
    bool admits = plan_.preempted.empty();
    for (int i = 0; admits && i < state_.waiting.size(); ++i) {
      if (state_.waiting[i].resumes) {
        admits = Admit(i);
      } else {
        queues[state_.waiting[i].client].waiting.push_back(i);
      }
    }
    for (Queue& queue : queues) {
      std::stable_sort(queue.waiting.begin(), queue.waiting.end(), [this](int a, int b) {
        return EffectivePriority(state_.waiting[a]) > EffectivePriority(state_.waiting[b]);
      });
    }
    const auto has_work = [&](int client) {
      return !queues[client].running.empty() || (admits && !queues[client].waiting.empty());
    };
    while (tokens_ > 0) {
      const int client = LeastServed(served_, has_work);
      if (client < 0) return;
      Queue& queue = queues[client];
      if (!queue.running.empty()) {
        const int sequence = queue.running.front();
        queue.running.pop_front();
        PlanChunk(sequence, state_.running[sequence], 0);
      } else {
        admits = Admit(queue.waiting.front());
        queue.waiting.pop_front();
      }
    }
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
    served_[sequence.client] += ServiceOf(count, /*generated=*/false);
    return true;
  }

  // Whether there was room.
  bool Admit(int index) {
    const SequenceView& sequence = state_.waiting[index];
    const int64_t running = state_.running.size() + plan_.admitted.size();
    const int64_t needed = BlocksFor(sequence.length, state_.block_size) - sequence.blocks;
    const int64_t taken = needed + sequence.own_blocks;  // of the free
    // Each running sequence may soon want a block; admitting less is cheaper than preempting.
    if (running >= state_.max_running || free_blocks_ - taken < running) return false;
    if (!PlanChunk(state_.running.size() + index, sequence, needed)) return false;
    free_blocks_ -= taken;
    plan_.admitted.push_back(index);
    return true;
  }

  void AddSlice(const PlannedSlice& slice) {
    tokens_ -= slice.count;
    rows_ -= slice.logit_rows;
    plan_.slices.push_back(slice);
  }

  const SchedulerState& state_;
  std::vector<double> served_;  // with what is planned
  int64_t decoding_ = 0;        // sequences that continue, now or when their result is there
  int64_t tokens_;              // left in the step, as the following
  int64_t rows_;
  int64_t free_blocks_;
  std::vector<bool> taken_;  // in the step, or preempted
  StepPlan plan_;
};

}  // namespace

StepPlan PlanStep(const SchedulerState& state) { return Planner(state).Plan(); }

}  // namespace gantry
