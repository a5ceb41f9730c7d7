#ifndef GANTRY_COORDINATOR_SCHEDULER_H_
#define GANTRY_COORDINATOR_SCHEDULER_H_

#include <cstdint>
#include <vector>

namespace gantry {

// What the scheduler knows of a sequence.
struct SequenceView {
  int64_t length = 0;  // tokens known: the prompt and what was generated
  int64_t scheduled =
      0;  // of them in steps that were sent; equal to length while a result is awaited
  int64_t max_chunk = 0;   // tokens that its next slice may have at most
  int64_t blocks = 0;      // held
  bool score = false;      // every row goes through lm_head, not only the last
  uint64_t last_step = 0;  // that carried a slice of it
  int client = 0;          // index into SchedulerState::clients
  // Of those that wait:
  int priority = 0;          // -10 to 10
  int64_t waited_steps = 0;  // sent since it came
  bool resumes = false;      // it ran before and lost its blocks
};

struct SchedulerState {
  std::vector<SequenceView> running;  // as admitted, oldest first
  std::vector<SequenceView> waiting;  // first come first
  std::vector<double> clients;        // service that each client has had, see ServiceOf
  int64_t free_blocks = 0;
  int64_t block_size = 0;       // tokens
  int64_t max_step_tokens = 0;  // a step has no more
  int64_t max_step_rows = 0;    // nor reads more rows of logits
  // While sequences continue, a step has no more tokens of prompts. May be 0 for a time.
  int64_t max_prompt_tokens_beside_decode = 0;
  int64_t max_running = 0;
  int stages = 1;
  int steps_in_flight = 0;
  int max_steps_in_flight = 1;
  int decode_steps_in_flight = 0;  // of them with a slice that continues a sequence
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
  std::vector<int> admitted;  // indices into waiting, in this order
  std::vector<PlannedSlice> slices;
  bool decodes = false;
};

// What clients are to have equal shares of: tokens, of which a generated one counts twice because a
// step reads the weights for it. The weights of Sheng et al., "Fairness in Serving Large Language
// Models" (OSDI 2024), as is the rule: who has had least is served next.
inline double ServiceOf(int64_t tokens, bool generated) {
  return generated ? 2.0 * tokens : tokens;
}

// A request that has waited for so many steps counts as one of the next higher priority, so that
// none waits for ever.
inline constexpr int64_t kStepsPerPriority = 256;

// The next step to send; no slices when there is nothing to send now. A pure function.
//
// Sequences that continue come first, those that waited longest before others, then chunks of
// prompts with what is left of the tokens. Sequences that continue are spread over as many steps as
// there are stages, which keeps every stage busy; more steps would only read the weights more
// often. A prompt's chunks follow each other without waiting for results, but where sequences
// continue, no step is sent that would only wait in front of one of theirs.
//
// Tokens of prompts, places among the running, and tokens of sequences that continue where a step
// has too few, go to the client that has had the least service. Among a client's own requests the
// higher priority comes first: no client gains by it over another. Whoever is next is not overtaken
// by a request that would fit.
//
// A sequence gets the blocks of its prompt when it is admitted and one at a time as it grows. When
// there are none it takes those of the youngest sequence that is younger than itself, so that the
// oldest always gets on: every sequence finishes as long as one of full length fits alone.
StepPlan PlanStep(const SchedulerState& state);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_SCHEDULER_H_
