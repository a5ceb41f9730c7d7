// Blocks that several sequences begin with, and requests of several answers.

#include <algorithm>
#include <random>

#include "coordinator/engine.h"
#include "tests/coordinator/engine_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EnginePrefixTest : public EngineTest {
 protected:
  static Request Of(const std::string& client, std::vector<int32_t> ids, int64_t max_new_tokens) {
    Request request = Prompt(std::move(ids), max_new_tokens);
    request.client = client;
    return request;
  }
  // Tokens that were computed for a request alone in the engine.
  int64_t Computed(Request request) {
    const int64_t before = pipeline_.computed();
    Submit(std::move(request));
    ReturnAll();
    return pipeline_.computed() - before;
  }
};

const std::vector<int32_t> kPrompt = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'};

TEST_F(EnginePrefixTest, FullBlocksOfAnEqualPromptAreNotComputedAgain) {
  Begin();
  EXPECT_EQ(Computed(Prompt(kPrompt, 1)), 10);
  const auto client = Submit(Prompt(kPrompt, 3));
  const v1::SequenceSlice& slice = (pipeline_.sent().end() - 2)->slices(0);
  EXPECT_EQ(slice.start(), 8);
  EXPECT_THAT(slice.new_blocks(), SizeIs(3));
  ReturnAll();
  EXPECT_EQ(client->text, "klm");
  EXPECT_EQ(client->finish.prompt_tokens(), 10);
  EXPECT_EQ(client->finish.shared_prompt_tokens(), 8);
  EXPECT_EQ(engine_->counters().prompt_tokens(), 20);
  EXPECT_EQ(engine_->counters().prompt_tokens_shared(), 8);
  ExpectNothingLeft();
}

TEST_F(EnginePrefixTest, TheLastTokenIsAlwaysComputed) {
  Begin();
  const std::vector<int32_t> prompt(8, 'x');
  EXPECT_EQ(Computed(Prompt(prompt, 1)), 8);
  EXPECT_EQ(Computed(Prompt(prompt, 1)), 4);
}

TEST_F(EnginePrefixTest, WhatWasGeneratedIsSharedToo) {
  Begin();
  EXPECT_EQ(Computed(Prompt({'a', 'b', 'c'}, 6)), 8);
  // The next turn of a conversation: the last generated token was never computed.
  EXPECT_EQ(Computed(Prompt(kPrompt, 1)), 2);
}

TEST_F(EnginePrefixTest, PromptsThatPartShareUpToThere) {
  Begin();
  Computed(Prompt(kPrompt, 1));
  std::vector<int32_t> other = kPrompt;
  other[6] = 'x';
  EXPECT_EQ(Computed(Prompt(other, 1)), 6);
  EXPECT_EQ(Computed(Prompt({'x', 'b', 'c', 'd', 'e'}, 1)), 5);
}

TEST_F(EnginePrefixTest, ASequenceThatRunsIsSharedWith) {
  Begin();
  const auto first = Submit(Prompt(kPrompt, 9));
  const auto second = Submit(Prompt(kPrompt, 9));
  Return();
  Return();  // a step without prompts is timed first
  EXPECT_EQ(pipeline_.tables().size(), 2);
  EXPECT_EQ(engine_->counters().prompt_tokens_shared(), 8);
  engine_->Cancel(1, absl::CancelledError("gone"));
  ReturnAll();
  EXPECT_TRUE(first->ended);
  EXPECT_EQ(second->text, "klmnopqrs");
  ExpectNothingLeft();
}

TEST_F(EnginePrefixTest, NeverAcrossClients) {
  Begin();
  EXPECT_EQ(Computed(Of("one", kPrompt, 1)), 10);
  EXPECT_EQ(Computed(Of("other", kPrompt, 1)), 10);
  EXPECT_EQ(Computed(Of("", kPrompt, 1)), 10);
  EXPECT_EQ(Computed(Of("one", kPrompt, 1)), 2);
}

TEST_F(EnginePrefixTest, AcrossClientsWhereThatIsAllowed) {
  options_.share_prefixes_across_clients = true;
  Begin();
  EXPECT_EQ(Computed(Of("one", kPrompt, 1)), 10);
  EXPECT_EQ(Computed(Of("other", kPrompt, 1)), 2);
}

TEST_F(EnginePrefixTest, NothingIsSharedWhereThatIsOff) {
  options_.share_prefixes = false;
  Begin();
  EXPECT_EQ(Computed(Prompt(kPrompt, 1)), 10);
  EXPECT_EQ(Computed(Prompt(kPrompt, 1)), 10);
}

TEST_F(EnginePrefixTest, AScoreComputesEveryRowAndLeavesItsBlocks) {
  Begin();
  Request score = Prompt(kPrompt, 0);
  score.params.set_score(true);
  EXPECT_EQ(Computed(score), 10);
  EXPECT_EQ(Computed(score), 10);
  EXPECT_EQ(Computed(Prompt(kPrompt, 1)), 2);
}

TEST_F(EnginePrefixTest, NothingIsSharedAcrossEpochs) {
  Begin();
  Computed(Prompt(kPrompt, 1));
  engine_->EndEpoch(absl::UnavailableError("lost"));
  FakePipeline second;
  engine_->BeginEpoch({2, 1, 64, &second});
  Submit(Prompt(kPrompt, 1));
  EXPECT_EQ(second.computed(), 10);
  engine_.reset();
}

TEST_F(EnginePrefixTest, BlocksOfAFailedSequenceAreNotShared) {
  Begin();
  const auto failed = Submit(Prompt(kPrompt, 3));
  v1::StepHeader result = pipeline_.Next();
  result.mutable_results(0)->set_error("non-finite at model.layers.3 on worker w2");
  engine_->OnResult(result);
  engine_->Pump();
  ReturnAll();
  EXPECT_THAT(failed->status, StatusIs(absl::StatusCode::kInternal, HasSubstr("non-finite")));
  EXPECT_EQ(Computed(Prompt(kPrompt, 1)), 10);
  ExpectNothingLeft();
}

TEST_F(EnginePrefixTest, KeptBlocksMakeRoomForOtherPrompts) {
  Begin(4);
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(12, 'a'), 1)), 12);
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(9, 'b'), 1)), 9);
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(9, 'b'), 1)), 1);
  // The end of the first prompt went before its beginning.
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(12, 'a'), 1)), 8);
}

TEST_F(EnginePrefixTest, APreemptedSequenceFindsWhatIsLeftOfItsOwn) {
  options_.max_steps_in_flight = 1;
  Begin(6);
  const auto older = Submit(Prompt(kPrompt, 9));
  const auto younger = Submit(Prompt({'k', 'k', 'k', 'k', 'k'}, 12));
  ReturnAll();
  EXPECT_EQ(older->text, "klmnopqrs");
  EXPECT_EQ(younger->text, "lmnopqrstuvw");
  EXPECT_LT(pipeline_.computed(), 18 + 16 + 16);
  ExpectNothingLeft();
}

TEST_F(EnginePrefixTest, LongRopeSharesOnlyWhatHasTheSameFactors) {
  config_.rope.type = RopeConfig::Type::kLongRope;
  config_.rope.original_max_position_embeddings = 8;
  config_.max_position_embeddings = 64;
  pipeline_.embedding = [](int64_t length) { return length > 8; };
  Begin();
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(6, 'a'), 1)), 6);
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(7, 'a'), 1)), 3);
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(10, 'a'), 1)), 10);
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(11, 'a'), 1)), 3);
}

TEST_F(EnginePrefixTest, DynamicRopeSharesOnlyWhatHasTheSameBase) {
  config_.rope.type = RopeConfig::Type::kDynamic;
  config_.rope.original_max_position_embeddings = 8;
  config_.max_position_embeddings = 8;
  pipeline_.embedding = [](int64_t length) { return std::max<int64_t>(length, 8); };
  Begin();
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(10, 'a'), 1)), 10);
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(11, 'a'), 1)), 11);
  EXPECT_EQ(Computed(Prompt(std::vector<int32_t>(11, 'a'), 1)), 3);
}

TEST_F(EnginePrefixTest, SeveralAnswersShareTheirPromptAndHaveTheirOwnSeeds) {
  Begin();
  Request request = Prompt(kPrompt, 2);
  request.n = 3;
  request.params.set_seed(~uint64_t{0} - 1);
  const auto answers = std::make_shared<Answers>();
  engine_->Submit(7, std::move(request), answers, absl::InfiniteDuration());
  engine_->Pump();
  std::vector<uint64_t> seeds;
  while (!pipeline_.idle()) Return();
  for (const v1::StepHeader& step : pipeline_.sent()) {
    for (const v1::SequenceSlice& slice : step.slices()) {
      if (slice.has_params()) seeds.push_back(slice.params().seed());
    }
  }
  EXPECT_THAT(seeds, ElementsAre(~uint64_t{0} - 1, ~uint64_t{0}, 0));
  EXPECT_THAT(answers->finished, ::testing::UnorderedElementsAre(0, 1, 2));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(answers->texts[i], "kl") << i;
  // The prompt, what is in none of its full blocks twice more, and a token each.
  EXPECT_EQ(pipeline_.computed(), 10 + 2 + 2 + 3);
  EXPECT_EQ(engine_->counters().requests_finished(), 1);
  ExpectNothingLeft();
}

TEST_F(EnginePrefixTest, AnErrorEndsAllAnswersOnce) {
  Begin();
  for (bool late : {false, true}) {
    Request request = Prompt(kPrompt, 200);
    request.n = 5;
    const auto answers = std::make_shared<Answers>();
    engine_->Submit(++last_id_, std::move(request), answers, absl::InfiniteDuration());
    engine_->Pump();
    if (late) {
      for (int i = 0; i < 6; ++i) Return();
    }
    engine_->Cancel(last_id_, absl::CancelledError("gone"));
    engine_->Pump();
    EXPECT_THAT(answers->errors, SizeIs(1));
    EXPECT_THAT(answers->finished, IsEmpty());
    ExpectNothingLeft();
  }
  EXPECT_EQ(engine_->counters().requests_cancelled(), 2);
}

TEST_F(EnginePrefixTest, NoTokensWantedEndsAllAnswersAtOnce) {
  Begin();
  Request request = Prompt(kPrompt, 0);
  request.n = 3;
  const auto answers = std::make_shared<Answers>();
  engine_->Submit(1, std::move(request), answers, absl::InfiniteDuration());
  EXPECT_THAT(answers->finished, ::testing::UnorderedElementsAre(0, 1, 2));
  EXPECT_EQ(engine_->counters().requests_finished(), 1);
}

// A scored sequence that lost its blocks midway used to take the rows of its first tokens for those
// of the tokens after which it was interrupted.
TEST_F(EnginePrefixTest, APreemptedScoreGoesOnWhereItWas) {
  options_.max_step_rows = 2;
  options_.max_steps_in_flight = 1;
  Begin(6);
  const auto older = Submit(Prompt({'a', 'a', 'a'}, 20));
  Return();
  Request request = Prompt({'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v'}, 0);
  request.params.set_score(true);
  const auto score = Submit(std::move(request));
  ReturnAll();
  EXPECT_EQ(older->text, "bcdefghijklmnopqrstu");
  ASSERT_THAT(score->scored, SizeIs(12));
  for (int i = 1; i < 12; ++i) EXPECT_EQ(score->scored[i].logprob(), -('k' + i - 1)) << i;
  EXPECT_GT(pipeline_.computed(), 22 + 12);
  ExpectNothingLeft();
}

// Random requests with common beginnings, of several clients and answers, some of them cancelled,
// in few blocks. FakePipeline checks that no block is written to by two or read for what it does
// not hold.
TEST_F(EnginePrefixTest, RandomRequestsShareAndGetTheirTokens) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&random](int low, int high) {
      return std::uniform_int_distribution<int>(low, high)(random);
    };
    pipeline_ = FakePipeline();
    options_.max_queue = 200;
    options_.max_sequences = pick(1, 12);
    options_.max_step_tokens = pick(1, 20);
    options_.max_step_rows = pick(1, options_.max_step_tokens);
    Begin(pick(10, 40), pick(1, 3));
    struct Sent {
      uint64_t id;
      std::string expected;
      int n;
      std::shared_ptr<Answers> answers;
      bool cancelled = false;
    };
    std::vector<Sent> requests;
    for (int i = 0; i < 40; ++i) {
      std::vector<int32_t> prompt(pick(0, 4) * 4, 'a' + pick(0, 1));
      for (int k = pick(1, 5); k > 0; --k) prompt.push_back('a' + pick(0, 2));
      Request request = Of(std::string(1, 'x' + pick(0, 2)), prompt, pick(1, 12));
      request.n = pick(0, 4) == 0 ? pick(2, 5) : 1;
      std::string expected;
      for (int k = 1; k <= request.max_new_tokens; ++k) expected += prompt.back() + k;
      requests.push_back({++last_id_, expected, request.n, std::make_shared<Answers>()});
      engine_->Submit(last_id_, std::move(request), requests.back().answers,
                      absl::InfiniteDuration());
      engine_->Pump();
      for (int k = pick(0, 3); k > 0 && !pipeline_.idle(); --k) Return();
      if (pick(0, 5) > 0) continue;
      Sent& victim = requests[pick(0, requests.size() - 1)];
      victim.cancelled = victim.answers->finished.size() < victim.n;
      engine_->Cancel(victim.id, absl::CancelledError("gone"));
      engine_->Pump();
    }
    int rounds = 0;
    while (!pipeline_.idle()) {
      ASSERT_LT(++rounds, 20000) << "it does not end";
      Return();
    }
    for (const Sent& sent : requests) {
      EXPECT_EQ(sent.answers->errors.size(), sent.cancelled);
      if (sent.cancelled) continue;
      EXPECT_EQ(sent.answers->finished.size(), sent.n);
      for (int i = 0; i < sent.n; ++i) EXPECT_EQ(sent.answers->texts[i], sent.expected);
    }
    ExpectNothingLeft();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace gantry
