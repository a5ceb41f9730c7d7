#ifndef GANTRY_COORDINATOR_SCHEDULER_H_
#define GANTRY_COORDINATOR_SCHEDULER_H_

#include <cstdint>
#include <vector>

namespace gantry {

// What the scheduler knows of a sequence.
struct SequenceView {
  int64_t length = 0;  // tokens known: the prompt and what was generated
  // Tokens in steps that were sent: equal to length while a result is awaited, or one more while
  // two are.
  int64_t scheduled = 0;
  int64_t max_chunk = 0;    // tokens that its next slice may have at most
  int64_t blocks = 0;       // held
  bool score = false;       // every row goes through lm_head, not only the last
  bool feeds_back = false;  // its token may be scheduled while its result is awaited
  uint64_t last_step = 0;   // that carried a slice of it
};

struct SchedulerState {
  std::vector<SequenceView> running;  // as admitted, oldest first
  std::vector<SequenceView> waiting;  // first come, first served
  int64_t free_blocks = 0;
  int64_t block_size = 0;       // tokens
  int64_t max_step_tokens = 0;  // a step has no more
  int64_t max_step_rows = 0;    // nor reads more rows of logits
  int64_t max_running = 0;
  int stages = 1;
  int steps_in_flight = 0;
  int max_steps_in_flight = 1;
  int decode_steps_in_flight = 0;  // of them with a slice that continues a sequence
  int max_decode_steps_in_flight = 1;
};

struct PlannedSlice {
  int sequence = 0;  // index into running; from running.size() on, into waiting
  int64_t start = 0;
  int64_t count = 0;
  int64_t new_blocks = 0;
  int64_t logit_rows = 0;
};

struct StepPlan {
  // Indices into running: to lose their blocks and wait, before all others, to be computed again.
  std::vector<int> preempted;
  int admitted = 0;  // the first of the waiting
  std::vector<PlannedSlice> slices;
  bool decodes = false;
};

// The next step to send; no slices when there is nothing to send now. A pure function.
//
// Sequences that continue come first, those that waited longest before others, then chunks of
// prompts with what is left of the tokens. Sequences that continue are spread over as many steps as
// there are stages, which keeps every stage busy; more steps would only read the weights more
// often. A sequence that feeds back continues before its last result has come, so that its only
// stage does not wait for the coordinator; then max_decode_steps_in_flight is one more than there
// are stages. A prompt's chunks follow each other without waiting for results.
//
// A sequence gets the blocks of its prompt when it is admitted and one at a time as it grows. When
// there are none it takes those of the youngest sequence that is younger than itself, so that the
// oldest always gets on: every sequence finishes as long as one of full length fits alone.
StepPlan PlanStep(const SchedulerState& state);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_SCHEDULER_H_
