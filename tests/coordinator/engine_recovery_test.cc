// Requests whose workers are lost, and go on with others.

#include "coordinator/engine.h"
#include "tests/coordinator/engine_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class EngineRecoveryTest : public EngineTest {
 protected:
  EngineRecoveryTest() { options_.recovery_timeout = absl::Seconds(60); }

  // Another epoch, of stages that know nothing.
  void BeginAgain(const std::string& numerics = "") {
    pipeline_ = FakePipeline();
    engine_->BeginEpoch({++epoch_, 1, 64, &pipeline_, numerics});
    engine_->Pump();
  }
  void Lose() {
    engine_->SuspendEpoch(absl::UnavailableError("worker w1 was lost"));
    engine_->Pump();
  }
  // As FakePipeline knows only of the first epoch.
  void ReturnHere() {
    v1::StepHeader result = pipeline_.Next();
    result.set_epoch(epoch_);
    engine_->OnResult(result);
    engine_->Pump();
  }
  void ReturnAllHere() {
    while (!pipeline_.idle()) ReturnHere();
  }

  uint64_t epoch_ = 1;
};

TEST_F(EngineRecoveryTest, AnswersGoOnWhoseFirstHasEnded) {
  options_.max_sequences = 1;
  Begin();
  Request request = Prompt({'a', 'b', 'c', 'd', 'e'}, 4);
  request.n = 3;
  const auto answers = std::make_shared<Answers>();
  engine_->Submit(++last_id_, std::move(request), answers, absl::InfiniteDuration());
  engine_->Pump();
  while (answers->finished.empty()) Return();
  Lose();
  BeginAgain();
  ReturnAllHere();
  EXPECT_THAT(answers->finished, ::testing::UnorderedElementsAre(0, 1, 2));
}

TEST_F(EngineRecoveryTest, RequestsGoOnWithTheSameTokens) {
  options_.max_sequences = 2;
  Begin();
  std::vector<std::shared_ptr<Client>> clients;
  for (char first : {'a', 'h', 'p'}) clients.push_back(Submit(Prompt({first}, 6)));
  for (int i = 0; i < 4; ++i) Return();
  EXPECT_FALSE(clients[0]->ids.empty());
  Lose();
  EXPECT_EQ(engine_->counters().requests_waiting(), 3);
  EXPECT_EQ(engine_->counters().steps_in_flight(), 0);
  BeginAgain();
  ReturnAllHere();
  EXPECT_EQ(clients[0]->text, "bcdefg");
  EXPECT_EQ(clients[1]->text, "ijklmn");
  EXPECT_EQ(clients[2]->text, "qrstuv");
  EXPECT_EQ(engine_->counters().requests_recovered(), 3);
  EXPECT_EQ(engine_->counters().requests_failed(), 0);
  EXPECT_EQ(engine_->counters().kv_blocks_used(), 0);
}

TEST_F(EngineRecoveryTest, PromptAndAnswerAreComputedAgainWithTheParametersOfTheRequest) {
  Begin();
  Request request = Prompt({'a', 'b'}, 6);
  request.params.set_seed(42);
  Submit(std::move(request));
  for (int i = 0; i < 3; ++i) Return();
  Lose();
  BeginAgain();
  const v1::SequenceSlice& slice = pipeline_.sent()[0].slices(0);
  EXPECT_THAT(pipeline_.tables().begin()->second.tokens, ElementsAre('a', 'b', 'c', 'd', 'e'));
  EXPECT_EQ(slice.params().seed(), 42);
  EXPECT_EQ(slice.params().prompt_tokens(), 2);
  ReturnAllHere();
}

// Blocks of the epoch before hold nothing any more, whatever their numbers.
TEST_F(EngineRecoveryTest, NothingIsSharedWithTheEpochBefore) {
  Begin();
  const std::vector<int32_t> prompt(10, 'a');
  options_.max_sequences = 1;
  engine_.emplace(options_, &config_, &tokenizer_, &clock_);
  engine_->BeginEpoch({1, 1, 64, &pipeline_});
  Submit(Prompt(prompt, 5));
  const auto waiting = Submit(Prompt(prompt, 3));
  Return();
  Lose();
  BeginAgain();
  EXPECT_EQ(pipeline_.sent()[0].slices(0).start(), 0);
  ReturnAllHere();
  EXPECT_EQ(waiting->text, "bcd");
}

TEST_F(EngineRecoveryTest, AScoreGoesOnWhereItWas) {
  options_.max_step_rows = 3;
  options_.max_steps_in_flight = 1;
  Begin();
  Request request = Prompt({'a', 'b', 'c', 'd', 'e', 'f', 'g'}, 0);
  request.params.set_score(true);
  const auto client = Submit(std::move(request));
  Return();
  Lose();
  BeginAgain();
  ReturnAllHere();
  ASSERT_THAT(client->scored, SizeIs(7));
  for (int i = 1; i < 7; ++i) EXPECT_EQ(client->scored[i].logprob(), -('a' + i - 1));
}

TEST_F(EngineRecoveryTest, TheyFailWithTheReasonWhenNothingComes) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 6));
  Lose();
  EXPECT_EQ(engine_->NextDeadline(), clock_.Now() + absl::Seconds(60));
  const auto later = Submit(Prompt({'b'}, 6));
  EXPECT_THAT(later->status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("w1")));
  clock_.Advance(absl::Seconds(59));
  // A placement that could not be loaded is no reason to wait longer.
  engine_->SuspendEpoch(absl::UnavailableError("worker w2 cannot load"));
  engine_->Pump();
  EXPECT_FALSE(client->ended);
  clock_.Advance(absl::Seconds(1));
  engine_->Pump();
  EXPECT_THAT(client->status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("w1 was lost")));
  EXPECT_EQ(engine_->NextDeadline(), absl::InfiniteDuration());
}

TEST_F(EngineRecoveryTest, OtherNumericsWouldGoOnOtherwise) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 6));
  Lose();
  BeginAgain("gc");
  EXPECT_THAT(client->status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("schemes")));
  const auto next = Submit(Prompt({'k'}, 2));
  ReturnAllHere();
  EXPECT_EQ(next->text, "lm");
}

TEST_F(EngineRecoveryTest, DeadlinesAndCancellationHoldMeanwhile) {
  Begin();
  const auto late = Submit(Prompt({'a'}, 6), absl::Seconds(10));
  const auto cancelled = Submit(Prompt({'b'}, 6));
  Lose();
  engine_->Cancel(last_id_, absl::CancelledError("gone"));
  EXPECT_TRUE(cancelled->ended);
  EXPECT_EQ(engine_->NextDeadline(), clock_.Now() + absl::Seconds(10));
  clock_.Advance(absl::Seconds(10));
  engine_->Pump();
  EXPECT_THAT(late->status, StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("")));
}

TEST_F(EngineRecoveryTest, ARequestThatEndsEveryEpochIsGivenUp) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 6));
  for (int i = 0; i < 3; ++i) {
    Lose();
    BeginAgain();
    EXPECT_FALSE(client->ended);
  }
  Lose();
  EXPECT_THAT(client->status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("w1")));
}

TEST_F(EngineRecoveryTest, ARequestThatGetsTokensIsNotGivenUp) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 6));
  for (int i = 0; i < 5; ++i) {
    Lose();
    BeginAgain();
    for (const size_t before = client->ids.size(); client->ids.size() == before;) ReturnHere();
  }
  ReturnAllHere();
  EXPECT_EQ(client->text, "bcdefg");
}

}  // namespace
}  // namespace gantry
