#include "coordinator/scheduler.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "coordinator/blocks.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

SchedulerState State() {
  SchedulerState state;
  state.free_blocks = 100;
  state.block_size = 4;
  state.max_step_tokens = 16;
  state.max_step_rows = 16;
  state.max_prompt_tokens_beside_decode = 16;
  state.clients = {0};
  state.max_running = 8;
  state.max_steps_in_flight = 2;
  return state;
}

SequenceView Sequence(int64_t length, int64_t scheduled, int64_t blocks, uint64_t last_step = 0) {
  SequenceView sequence;
  sequence.length = length;
  sequence.scheduled = scheduled;
  sequence.blocks = blocks;
  sequence.max_chunk = 1 << 20;
  sequence.last_step = last_step;
  return sequence;
}

std::vector<int> Sequences(const StepPlan& plan) {
  std::vector<int> indices;
  for (const PlannedSlice& slice : plan.slices) indices.push_back(slice.sequence);
  return indices;
}

TEST(SchedulerTest, AnEmptyStateGivesNoStep) { EXPECT_THAT(PlanStep(State()).slices, IsEmpty()); }

TEST(SchedulerTest, AdmitsAPromptWithAllItsBlocks) {
  SchedulerState state = State();
  state.waiting = {Sequence(10, 0, 0)};
  const StepPlan plan = PlanStep(state);
  ASSERT_THAT(plan.slices, SizeIs(1));
  EXPECT_THAT(plan.admitted, ElementsAre(0));
  EXPECT_EQ(plan.slices[0].count, 10);
  EXPECT_EQ(plan.slices[0].new_blocks, 3);
  EXPECT_EQ(plan.slices[0].logit_rows, 1);
  EXPECT_FALSE(plan.decodes);
}

TEST(SchedulerTest, ALongPromptComesInChunksThatFollowAtOnce) {
  SchedulerState state = State();
  state.waiting = {Sequence(20, 0, 0)};
  StepPlan plan = PlanStep(state);
  EXPECT_EQ(plan.slices[0].count, 16);
  EXPECT_EQ(plan.slices[0].logit_rows, 0);
  EXPECT_EQ(plan.slices[0].new_blocks, 5);
  state.waiting.clear();
  state.running = {Sequence(20, 16, 5)};
  state.steps_in_flight = 1;
  plan = PlanStep(state);
  ASSERT_THAT(plan.slices, SizeIs(1));
  EXPECT_EQ(plan.slices[0].start, 16);
  EXPECT_EQ(plan.slices[0].count, 4);
  EXPECT_EQ(plan.slices[0].logit_rows, 1);
}

TEST(SchedulerTest, ASequenceAwaitingItsResultIsLeftAlone) {
  SchedulerState state = State();
  state.running = {Sequence(10, 10, 3)};
  EXPECT_THAT(PlanStep(state).slices, IsEmpty());
}

TEST(SchedulerTest, NothingIsPlannedBeyondTheStepsInFlight) {
  SchedulerState state = State();
  state.running = {Sequence(11, 10, 3)};
  state.steps_in_flight = 2;
  EXPECT_THAT(PlanStep(state).slices, IsEmpty());
}

TEST(SchedulerTest, DecodesComeBeforePromptsInOneStep) {
  SchedulerState state = State();
  state.running = {Sequence(11, 10, 3)};
  state.waiting = {Sequence(40, 0, 0)};
  const StepPlan plan = PlanStep(state);
  EXPECT_THAT(Sequences(plan), ElementsAre(0, 1));
  EXPECT_TRUE(plan.decodes);
  EXPECT_EQ(plan.slices[1].count, 15);
}

TEST(SchedulerTest, OneStageDecodesEverythingInOneStep) {
  SchedulerState state = State();
  for (int i = 0; i < 6; ++i) state.running.push_back(Sequence(5, 4, 1));
  EXPECT_THAT(PlanStep(state).slices, SizeIs(6));
}

TEST(SchedulerTest, SeveralStagesShareTheDecodes) {
  SchedulerState state = State();
  state.stages = 3;
  state.max_steps_in_flight = 4;
  for (int i = 0; i < 6; ++i) state.running.push_back(Sequence(5, 4, 1, i));
  EXPECT_THAT(Sequences(PlanStep(state)), ElementsAre(0, 1));
  state.running[0].scheduled = state.running[1].scheduled = 5;
  state.steps_in_flight = state.decode_steps_in_flight = 1;
  EXPECT_THAT(Sequences(PlanStep(state)), ElementsAre(2, 3));
}

TEST(SchedulerTest, DecodesWaitForAFreeStageSoThatTheyGatherAgain) {
  SchedulerState state = State();
  state.running = {Sequence(5, 5, 2), Sequence(5, 4, 1)};
  state.steps_in_flight = state.decode_steps_in_flight = 1;
  EXPECT_THAT(PlanStep(state).slices, IsEmpty());
}

TEST(SchedulerTest, TheLongestUnservedDecodesFirst) {
  SchedulerState state = State();
  state.max_step_tokens = 1;
  state.running = {Sequence(5, 4, 2, 9), Sequence(5, 4, 2, 3)};
  EXPECT_THAT(Sequences(PlanStep(state)), ElementsAre(1));
}

TEST(SchedulerTest, AdmissionIsFirstComeFirstServed) {
  SchedulerState state = State();
  state.free_blocks = 4;
  state.waiting = {Sequence(20, 0, 0), Sequence(4, 0, 0)};
  EXPECT_THAT(PlanStep(state).slices, IsEmpty());  // the second must not overtake the first
}

TEST(SchedulerTest, ScoringReadsEveryRowWithinTheLimit) {
  SchedulerState state = State();
  state.max_step_rows = 6;
  state.waiting = {Sequence(10, 0, 0)};
  state.waiting[0].score = true;
  const StepPlan plan = PlanStep(state);
  EXPECT_EQ(plan.slices[0].count, 6);
  EXPECT_EQ(plan.slices[0].logit_rows, 6);
}

TEST(SchedulerTest, AChunkEndsWhereItsFrequenciesDo) {
  SchedulerState state = State();
  state.running = {Sequence(10, 4, 3)};
  state.running[0].max_chunk = 2;
  EXPECT_EQ(PlanStep(state).slices[0].count, 2);
}

TEST(SchedulerTest, TheOldestTakesBlocksFromTheYoungest) {
  SchedulerState state = State();
  state.free_blocks = 0;
  state.running = {Sequence(5, 4, 1, 1), Sequence(6, 5, 2, 2), Sequence(6, 6, 2, 3)};
  const StepPlan plan = PlanStep(state);
  EXPECT_THAT(plan.preempted, ElementsAre(2));
  EXPECT_THAT(Sequences(plan), ElementsAre(0, 1));
}

TEST(SchedulerTest, TheYoungestWaitsWhenThereAreNoBlocks) {
  SchedulerState state = State();
  state.free_blocks = 0;
  state.running = {Sequence(6, 6, 2), Sequence(5, 4, 1)};
  const StepPlan plan = PlanStep(state);
  EXPECT_THAT(plan.slices, IsEmpty());
  EXPECT_THAT(plan.preempted, IsEmpty());
}

// Runs random workloads through a pipeline that returns steps in order and checks what the
// scheduler promises: no block has two owners, the budgets hold, no sequence awaits two tokens at a
// time, and every sequence finishes.
class Simulation {
 public:
  explicit Simulation(uint32_t seed) : random_(seed) {
    state_.block_size = Pick(1, 8);
    context_ = Pick(2, 60);
    total_blocks_ = BlocksFor(context_, state_.block_size) * Pick(1, 3);
    state_.max_step_tokens = Pick(1, 40);
    state_.max_step_rows = Pick(1, state_.max_step_tokens);
    state_.max_prompt_tokens_beside_decode = Pick(0, state_.max_step_tokens);
    state_.clients.resize(Pick(1, 4));
    for (double& served : state_.clients) served = Pick(0, 100);
    state_.max_running = Pick(1, 12);
    state_.stages = Pick(1, 4);
    state_.max_steps_in_flight = state_.stages + Pick(0, 2);
    allocator_.emplace(total_blocks_);
    const int count = Pick(1, 30);
    for (int i = 0; i < count; ++i) {
      Item item;
      item.view.length = Pick(1, context_ - 1);
      item.end = Pick(item.view.length + 1, context_);
      item.view.score = Pick(0, 5) == 0;
      item.view.client = Pick(0, state_.clients.size() - 1);
      item.view.priority = Pick(-10, 10);
      items_.push_back(item);
    }
  }

  void Run() {
    for (int i = 0; i < items_.size(); ++i) waiting_.push_back(i);
    int rounds = 0;
    while (finished_ < items_.size()) {
      ASSERT_LT(++rounds, 100000) << "it does not end";
      while (Send()) {
      }
      if (::testing::Test::HasFatalFailure()) return;
      ASSERT_FALSE(in_flight_.empty()) << "nothing is sent and nothing is on its way";
      Return();
    }
    EXPECT_EQ(allocator_->free(), total_blocks_);
  }

 private:
  struct Item {
    SequenceView view;
    int64_t end = 0;
    std::vector<uint32_t> blocks;
    int generation = 0;  // counts preemptions
    int64_t scored = 0;
  };
  struct Result {
    int item = 0;
    int generation = 0;
    int64_t rows = 0;
  };
  struct Step {
    bool decodes = false;
    std::vector<Result> results;
  };

  int64_t Pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }

  bool Send() {
    state_.running.clear();
    state_.waiting.clear();
    for (int i : running_) state_.running.push_back(items_[i].view);
    for (int i : waiting_) state_.waiting.push_back(items_[i].view);
    for (auto* list : {&state_.running, &state_.waiting}) {
      for (SequenceView& view : *list) view.max_chunk = 7;
    }
    state_.free_blocks = allocator_->free();
    state_.steps_in_flight = in_flight_.size();
    state_.decode_steps_in_flight = std::count_if(in_flight_.begin(), in_flight_.end(),
                                                  [](const Step& step) { return step.decodes; });
    const StepPlan plan = PlanStep(state_);
    std::vector<int> planned = running_;
    planned.insert(planned.end(), waiting_.begin(), waiting_.end());
    const size_t running = running_.size();
    for (int index : plan.preempted) {
      Item& item = items_[planned[index]];
      allocator_->Free(&item.blocks);
      item.view.blocks = item.view.scheduled = 0;
      item.scored = 0;
      item.view.resumes = true;
      ++item.generation;
      std::erase(running_, planned[index]);
      waiting_.push_front(planned[index]);
    }
    for (int i : plan.admitted) {
      running_.push_back(planned[running + i]);
      std::erase(waiting_, running_.back());
    }
    if (plan.slices.empty()) return false;
    Check(plan, planned);
    return true;
  }

  void Check(const StepPlan& plan, const std::vector<int>& planned) {
    ASSERT_LT(in_flight_.size(), state_.max_steps_in_flight);
    EXPECT_LE(running_.size(), state_.max_running);
    int64_t tokens = 0, rows = 0;
    std::set<int> seen;
    Step step;
    step.decodes = plan.decodes;
    for (const PlannedSlice& slice : plan.slices) {
      Item& item = items_[planned[slice.sequence]];
      ASSERT_TRUE(seen.insert(planned[slice.sequence]).second) << "twice in a step";
      ASSERT_EQ(slice.start, item.view.scheduled);
      ASSERT_GT(slice.count, 0);
      ASSERT_LE(slice.start + slice.count, item.view.length) << "a token that is not known";
      ASSERT_TRUE(allocator_->Allocate(slice.new_blocks, &item.blocks)) << "no such block";
      ASSERT_GE(item.blocks.size() * state_.block_size, slice.start + slice.count);
      tokens += slice.count;
      rows += slice.logit_rows;
      item.view.blocks = item.blocks.size();
      item.view.scheduled += slice.count;
      item.view.last_step = steps_;
      item.view.resumes = false;
      state_.clients[item.view.client] += slice.count;
      const bool last = item.view.scheduled == item.view.length;
      EXPECT_EQ(slice.logit_rows, item.view.score ? slice.count : (last ? 1 : 0));
      if (slice.logit_rows > 0) {
        step.results.push_back({planned[slice.sequence], item.generation, slice.logit_rows});
      }
    }
    EXPECT_LE(tokens, state_.max_step_tokens);
    EXPECT_LE(rows, state_.max_step_rows);
    ++steps_;
    in_flight_.push_back(std::move(step));
  }

  void Return() {
    const Step step = std::move(in_flight_.front());
    in_flight_.pop_front();
    for (const Result& result : step.results) {
      Item& item = items_[result.item];
      if (item.generation != result.generation) continue;
      if (item.view.score) {
        item.scored += result.rows;
        if (item.scored == item.view.length) Finish(result.item);
      } else if (++item.view.length == item.end) {
        Finish(result.item);
      }
    }
  }

  void Finish(int index) {
    allocator_->Free(&items_[index].blocks);
    std::erase(running_, index);
    ++finished_;
  }

  std::mt19937 random_;
  SchedulerState state_;
  int64_t context_ = 0;
  int64_t total_blocks_ = 0;
  std::optional<BlockAllocator> allocator_;
  std::vector<Item> items_;
  std::vector<int> running_;
  std::deque<int> waiting_;
  std::deque<Step> in_flight_;
  size_t finished_ = 0;
  uint64_t steps_ = 1;
};

TEST(SchedulerTest, RandomWorkloadsKeepEveryPromise) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Simulation(seed).Run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace gantry
