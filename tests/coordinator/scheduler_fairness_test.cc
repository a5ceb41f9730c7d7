// Who is served when there is not enough for all.

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>

#include "coordinator/blocks.h"
#include "coordinator/client_shares.h"
#include "coordinator/scheduler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SchedulerState State(std::vector<double> clients) {
  SchedulerState state;
  state.clients = std::move(clients);
  state.free_blocks = 100;
  state.block_size = 4;
  state.max_step_tokens = 16;
  state.max_step_rows = 16;
  state.max_prompt_tokens_beside_decode = 16;
  state.max_running = 8;
  state.max_steps_in_flight = 2;
  return state;
}

SequenceView Sequence(int client, int64_t length, int64_t scheduled = 0) {
  SequenceView sequence;
  sequence.client = client;
  sequence.length = length;
  sequence.scheduled = scheduled;
  sequence.blocks = BlocksFor(scheduled, 4);
  sequence.max_chunk = 1 << 20;
  return sequence;
}

std::vector<int> Sequences(const StepPlan& plan) {
  std::vector<int> indices;
  for (const PlannedSlice& slice : plan.slices) indices.push_back(slice.sequence);
  return indices;
}

TEST(SchedulerFairnessTest, TheClientThatHadLeastIsAdmittedFirst) {
  SchedulerState state = State({7, 3, 5});
  state.max_running = 2;
  state.waiting = {Sequence(0, 2), Sequence(1, 2), Sequence(2, 2)};
  EXPECT_THAT(PlanStep(state).admitted, ElementsAre(1, 2));
}

TEST(SchedulerFairnessTest, WhatAStepGivesCountsWithinIt) {
  SchedulerState state = State({0, 3});
  state.waiting = {Sequence(0, 5), Sequence(0, 5), Sequence(1, 5)};
  EXPECT_THAT(PlanStep(state).admitted, ElementsAre(0, 2, 1));
}

TEST(SchedulerFairnessTest, ManyRequestsGiveAClientNoMoreOfTheTokensForPrompts) {
  SchedulerState state = State({0, 0});
  state.running = {Sequence(0, 40, 4), Sequence(0, 40, 4), Sequence(1, 40, 4)};
  state.running[0].max_chunk = state.running[1].max_chunk = state.running[2].max_chunk = 8;
  EXPECT_THAT(Sequences(PlanStep(state)), ElementsAre(0, 2));
}

TEST(SchedulerFairnessTest, TokensThatDoNotSufficeForAllThatContinueAreShared) {
  SchedulerState state = State({0, 0});
  state.max_step_tokens = 4;
  for (int i = 0; i < 8; ++i) state.running.push_back(Sequence(i == 7, 5, 4));
  EXPECT_THAT(Sequences(PlanStep(state)), ElementsAre(0, 7, 1, 2));
}

TEST(SchedulerFairnessTest, WhoIsNextIsNotOvertakenByAnotherClient) {
  SchedulerState state = State({0, 5});
  state.free_blocks = 2;
  state.waiting = {Sequence(0, 12), Sequence(1, 4)};
  EXPECT_THAT(PlanStep(state).slices, IsEmpty());
}

TEST(SchedulerFairnessTest, PriorityOrdersAClientsOwnRequests) {
  SchedulerState state = State({0});
  state.waiting = {Sequence(0, 2), Sequence(0, 2), Sequence(0, 2)};
  state.waiting[0].priority = -1;
  state.waiting[2].priority = 1;
  EXPECT_THAT(PlanStep(state).admitted, ElementsAre(2, 1, 0));
}

TEST(SchedulerFairnessTest, PriorityGainsNothingOverAnotherClient) {
  SchedulerState state = State({5, 0});
  state.max_running = 1;
  state.waiting = {Sequence(0, 2), Sequence(1, 2)};
  state.waiting[0].priority = 10;
  EXPECT_THAT(PlanStep(state).admitted, ElementsAre(1));
}

TEST(SchedulerFairnessTest, WaitingRaisesThePriority) {
  SchedulerState state = State({0});
  state.max_running = 1;
  state.waiting = {Sequence(0, 2), Sequence(0, 2)};
  state.waiting[0].priority = -10;
  state.waiting[1].priority = 10;
  state.waiting[0].waited_steps = 20 * kStepsPerPriority - 1;
  EXPECT_THAT(PlanStep(state).admitted, ElementsAre(1));
  state.waiting[0].waited_steps = 20 * kStepsPerPriority;
  EXPECT_THAT(PlanStep(state).admitted, ElementsAre(0));
}

TEST(SchedulerFairnessTest, WhatWasPreemptedComesBackFirst) {
  SchedulerState state = State({5, 0});
  state.waiting = {Sequence(0, 2), Sequence(1, 2)};
  state.waiting[0].resumes = true;
  EXPECT_THAT(PlanStep(state).admitted, ElementsAre(0, 1));
  state.free_blocks = 1;
  state.waiting[0].length = 8;
  EXPECT_THAT(PlanStep(state).admitted, IsEmpty());
}

TEST(SchedulerFairnessTest, PromptsBesideDecodesAreBounded) {
  SchedulerState state = State({0});
  state.max_prompt_tokens_beside_decode = 5;
  state.running = {Sequence(0, 9, 8)};
  state.waiting = {Sequence(0, 40)};
  const StepPlan plan = PlanStep(state);
  ASSERT_THAT(Sequences(plan), ElementsAre(0, 1));
  EXPECT_EQ(plan.slices[1].count, 5);
}

TEST(SchedulerFairnessTest, NoPromptGetsInFrontOfASequenceThatAwaitsItsToken) {
  SchedulerState state = State({0});
  state.running = {Sequence(0, 9, 9), Sequence(0, 40, 8)};
  state.steps_in_flight = state.decode_steps_in_flight = 1;
  EXPECT_THAT(PlanStep(state).slices, IsEmpty());
  // A second stage has nothing to do meanwhile.
  state.stages = 2;
  state.max_steps_in_flight = 3;
  state.max_prompt_tokens_beside_decode = 5;
  const StepPlan plan = PlanStep(state);
  ASSERT_THAT(Sequences(plan), ElementsAre(1));
  EXPECT_EQ(plan.slices[0].count, 5);
}

// Clients that always have requests of their own kind and number waiting. Every step comes back at
// once.
class Contest {
 public:
  struct Kind {
    int64_t prompt = 0;
    int64_t answer = 0;
    int concurrency = 0;
  };
  Contest(SchedulerState state, std::vector<Kind> kinds) : state_(std::move(state)) {
    for (int client = 0; client < kinds.size(); ++client) {
      clients_.push_back(shares_.Enter(std::string(1, 'a' + client)));
      tokens_.push_back(0);
      for (int i = 0; i < kinds[client].concurrency; ++i) {
        items_.push_back(std::make_unique<Item>());
        items_.back()->kind = kinds[client];
        items_.back()->view = Sequence(client, kinds[client].prompt);
        waiting_.push_back(items_.back().get());
      }
    }
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
  }
  // Of prompts and answers, by client.
  const std::vector<double>& tokens() const { return tokens_; }
  int64_t longest_wait() const { return longest_wait_; }
  double unfairness() const {
    const auto [least, most] = std::minmax_element(tokens_.begin(), tokens_.end());
    return *most / *least;
  }

 private:
  struct Item {
    Kind kind;
    SequenceView view;
    int64_t since = 0;
  };

  void Step() {
    ++steps_;
    state_.clients = shares_.Number();
    state_.running.clear();
    state_.waiting.clear();
    int64_t used = 0;
    for (const Item* item : running_) {
      state_.running.push_back(item->view);
      used += item->view.blocks;
    }
    for (Item* item : waiting_) {
      item->view.waited_steps = steps_ - item->since;
      state_.waiting.push_back(item->view);
    }
    state_.free_blocks = 200 - used;
    const StepPlan plan = PlanStep(state_);
    std::vector<Item*> planned = running_;
    planned.insert(planned.end(), waiting_.begin(), waiting_.end());
    for (int i : plan.preempted) {
      Item* const item = planned[i];
      item->view.blocks = item->view.scheduled = 0;
      item->view.resumes = true;
      std::erase(running_, item);
      waiting_.push_front(item);
    }
    const int64_t running = state_.running.size();
    for (int i : plan.admitted) {
      Item* const item = planned[running + i];
      std::erase(waiting_, item);
      running_.push_back(item);
      longest_wait_ = std::max(longest_wait_, steps_ - item->since);
    }
    for (const PlannedSlice& slice : plan.slices) Return(slice, planned[slice.sequence]);
  }

  void Return(const PlannedSlice& slice, Item* item) {
    SequenceView& view = item->view;
    view.blocks += slice.new_blocks;
    view.scheduled += slice.count;
    view.last_step = steps_;
    view.resumes = false;
    ClientShares::Client* const client = clients_[view.client];
    client->served += ServiceOf(slice.count, slice.start >= item->kind.prompt);
    tokens_[client->index] += slice.count;
    if (view.scheduled < view.length) return;
    if (++view.length < item->kind.prompt + item->kind.answer) return;
    std::erase(running_, item);
    view = Sequence(client->index, item->kind.prompt);
    item->since = steps_;
    waiting_.push_back(item);
  }

  SchedulerState state_;
  ClientShares shares_;
  std::vector<ClientShares::Client*> clients_;
  std::vector<std::unique_ptr<Item>> items_;
  std::vector<Item*> running_;
  std::deque<Item*> waiting_;
  std::vector<double> tokens_;
  int64_t steps_ = 0;
  int64_t longest_wait_ = 0;
};

TEST(SchedulerFairnessTest, ClientsOfAnyKindGetShares) {
  SchedulerState state = State({});
  state.max_running = 4;
  Contest contest(state, {{2, 4, 8}, {60, 4, 8}, {2, 60, 8}, {30, 30, 8}});
  contest.Run(20000);
  EXPECT_LE(contest.unfairness(), 3);
}

TEST(SchedulerFairnessTest, AFloodGainsNothing) {
  SchedulerState state = State({});
  state.max_running = 4;
  Contest contest(state, {{10, 10, 200}, {10, 10, 4}});
  contest.Run(20000);
  EXPECT_LE(contest.unfairness(), 1.1);
}

// The scheduler's promise of PlanStep, over kinds of clients, budgets and priorities at random:
// shares differ by at most three where each client has enough to ask for, and nobody waits longer
// than everything that could come before takes.
TEST(SchedulerFairnessTest, RandomContestsAreFairAndStarveNobody) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&random](int64_t low, int64_t high) {
      return std::uniform_int_distribution<int64_t>(low, high)(random);
    };
    SchedulerState state = State({});
    state.max_running = pick(2, 6);
    state.max_step_tokens = pick(4, 40);
    state.max_step_rows = pick(2, state.max_step_tokens);
    state.max_prompt_tokens_beside_decode = pick(1, state.max_step_tokens);
    std::vector<Contest::Kind> kinds;
    const int64_t clients = pick(2, 5);
    for (int64_t i = 0; i < clients; ++i) {
      kinds.push_back({pick(1, 60), pick(1, 60), static_cast<int>(state.max_running + pick(0, 9))});
    }
    Contest contest(state, kinds);
    contest.Run(20000);
    EXPECT_LE(contest.unfairness(), 3);
    EXPECT_LT(contest.longest_wait(), 10000);
  }
}

}  // namespace
}  // namespace gantry
