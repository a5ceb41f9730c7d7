#include "coordinator/engine.h"

#include <map>

#include "proto/retry_info.h"
#include "proto/step_frame.h"
#include "tests/coordinator/engine_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(EngineTest, GeneratesToTheLimitAndReleasesEverything) {
  Begin();
  const auto client = Submit(Prompt({'a', 'b'}, 3));
  clock_.Advance(absl::Seconds(2));
  Return();
  clock_.Advance(absl::Seconds(1));
  ReturnAll();
  EXPECT_THAT(client->ids, ElementsAre('c', 'd', 'e'));
  EXPECT_EQ(client->text, "cde");
  EXPECT_EQ(client->finish.reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(client->finish.prompt_tokens(), 2);
  EXPECT_EQ(client->finish.completion_tokens(), 3);
  EXPECT_EQ(client->finish.time_to_first_token_s(), 2);
  EXPECT_EQ(client->finish.tokens_per_s(), 2);
  EXPECT_EQ(client->finish.queue_s(), 0);
  EXPECT_EQ(client->finish.prefill_s(), 2);
  EXPECT_EQ(client->finish.decode_s(), 1);
  ExpectNothingLeft();
}

// What it is told, a word or number each.
struct Noting : EngineObserver {
  void OnRefuse(const RequestRecord&, const absl::Status& why) override {
    Note("refuse", why.raw_code());
  }
  void OnChange(const RequestRecord& record) override {
    Note(record.started == absl::InfiniteDuration() ? "queued" : "runs", record.number);
  }
  void OnToken(const RequestRecord& record, std::optional<absl::Duration> since) override {
    if (since.has_value()) return Note("next", absl::ToInt64Seconds(*since));
    Note("first", absl::ToInt64Seconds(record.first_token - record.arrived));
  }
  void OnEnd(const RequestRecord& record, const absl::Status& status) override {
    last = record;
    Note(status.ok() ? "finish" : "fail",
         status.ok() ? record.completion_tokens : status.raw_code());
  }
  void OnStepSent(int64_t tokens) override { Note("sent", tokens); }
  void OnStepDone(const DoneStep& step) override {
    for (const DoneStep::Part& part : step.parts) Note("part", part.tokens);
    Note("done", absl::ToInt64Seconds(step.busy));
  }
  void Note(const std::string& what, int64_t number) {
    notes.push_back(what + " " + std::to_string(number));
  }
  std::vector<std::string> notes;
  RequestRecord last;
};

TEST_F(EngineTest, TellsItsObserverOfTokensStepsAndEnds) {
  Noting noting;
  options_.observer = &noting;
  Begin();
  Submit(Prompt({'a', 'b', 'c'}, 2));
  clock_.Advance(absl::Seconds(2));
  Return();
  clock_.Advance(absl::Seconds(5));
  Return();
  // The step that releases it has no tokens.
  EXPECT_THAT(noting.notes,
              ElementsAre("queued 1", "runs 1", "sent 3", "sent 1", "part 3", "done 2", "first 2",
                          "part 1", "done 5", "next 5", "finish 2", "sent 0"));
  ReturnAll();
  noting.notes.clear();
  Submit(Prompt({'a'}, 2));
  engine_->Cancel(last_id_, absl::CancelledError("gone"));
  EXPECT_THAT(noting.notes, ElementsAre("queued 2", "runs 2", "sent 1", "sent 1", "fail 1"));
  engine_->RefuseNew(absl::UnavailableError("stopping"));
  noting.notes.clear();
  Submit(Prompt({'a'}, 2));
  EXPECT_THAT(noting.notes, ElementsAre("refuse 14", "sent 0"));
  engine_.reset();
}

// Counters and metrics used to differ: one counted requests and the other answers.
TEST_F(EngineTest, ARequestOfSeveralAnswersEndsOnce) {
  Noting noting;
  options_.observer = &noting;
  Begin();
  Request request = Prompt({'a', 'b', 'c'}, 2);
  request.n = 3;
  request.id = "three";
  request.client = "one";
  const auto answers = std::make_shared<Answers>();
  engine_->Submit(1, std::move(request), answers, absl::InfiniteDuration());
  engine_->Pump();
  clock_.Advance(absl::Seconds(3));
  ReturnAll();
  EXPECT_THAT(answers->finished, SizeIs(3));
  EXPECT_EQ(engine_->counters().requests_finished(), 1);
  EXPECT_EQ(std::count(noting.notes.begin(), noting.notes.end(), "finish 6"), 1);
  EXPECT_EQ(noting.last.id, "three");
  EXPECT_EQ(noting.last.client, "one");
  EXPECT_EQ(noting.last.n, 3);
  EXPECT_EQ(noting.last.prompt_tokens, 3);
  EXPECT_EQ(noting.last.reason, v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(noting.last.first_token - noting.last.started, absl::Seconds(3));
  engine_.reset();
}

// Those of /readyz used to be counted with the requests of clients.
TEST_F(EngineTest, AProbeIsCountedNowhere) {
  Noting noting;
  options_.observer = &noting;
  Begin();
  Request probe = Prompt({0}, 1);
  probe.probe = true;
  const auto client = Submit(probe);
  EXPECT_EQ(engine_->counters().requests_running(), 0);
  ReturnAll();
  EXPECT_THAT(client->ids, SizeIs(1));
  const v1::Counters counters = engine_->counters();
  EXPECT_EQ(counters.requests_finished(), 0);
  EXPECT_EQ(counters.prompt_tokens() + counters.generated_tokens(), 0);
  EXPECT_GT(counters.steps(), 0);
  EXPECT_THAT(noting.notes, ElementsAre("sent 1", "part 1", "done 0", "sent 0", "done 0"));
  engine_.reset();
}

TEST_F(EngineTest, StepsComeWithWhatTheStagesTell) {
  struct Costs : EngineObserver {
    void OnStepDone(const DoneStep& step) override { steps.push_back(step); }
    std::vector<DoneStep> steps;
  } costs;
  options_.observer = &costs;
  Begin(64, /*stages=*/2);
  Submit(Prompt({'a'}, 2));
  for (const float computed : {0.25f, 9.f}) {
    clock_.Advance(absl::Seconds(2));
    v1::StepHeader result = pipeline_.Next();
    for (int stage = 0; stage < 2; ++stage) {
      v1::StageCost* const cost = result.add_costs();
      cost->set_stage(stage);
      cost->set_queued_s(0.5);
      cost->set_computed_s(computed);
    }
    engine_->OnResult(result);
    engine_->Pump();
  }
  ASSERT_THAT(costs.steps, SizeIs(2));
  ASSERT_THAT(costs.steps[0].stages, SizeIs(2));
  EXPECT_EQ(costs.steps[0].stages[1].queued_s, 0.5);
  EXPECT_EQ(TransferOf(costs.steps[0]), absl::Seconds(0.5));
  EXPECT_THAT(costs.steps[1].stages, IsEmpty()) << "longer than the step was away";
  EXPECT_EQ(TransferOf(costs.steps[1]), absl::Seconds(2));
  engine_.reset();
}

TEST_F(EngineTest, NoTokensWantedEndsAtOnce) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 0));
  EXPECT_TRUE(client->ended);
  EXPECT_EQ(client->finish.reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_THAT(pipeline_.sent(), IsEmpty());
}

TEST_F(EngineTest, AStopStringAcrossTokensEndsIt) {
  Begin();
  Request request = Prompt({'a'}, 50);
  request.stop = {"def"};
  const auto client = Submit(std::move(request));
  ReturnAll();
  EXPECT_EQ(client->text, "bc");
  EXPECT_THAT(client->ids, SizeIs(5));
  EXPECT_EQ(client->finish.reason(), v1::FINISH_REASON_STOP);
  ExpectNothingLeft();
}

TEST_F(EngineTest, LongPromptsGoInChunksWithoutWaiting) {
  options_.max_steps_in_flight = 4;
  Begin();
  const auto client = Submit(Prompt(std::vector<int32_t>(40, 'x'), 1));
  EXPECT_THAT(pipeline_.sent(), SizeIs(3));
  ReturnAll();
  EXPECT_THAT(client->ids, ElementsAre('y'));
  ExpectNothingLeft();
}

TEST_F(EngineTest, ManyRequestsGiveTheSameTokensAsOne) {
  options_.max_queue = 64;
  for (const int stages : {1, 3}) {
    SCOPED_TRACE(stages);
    pipeline_ = FakePipeline();
    Begin(12, stages);
    std::vector<std::shared_ptr<Client>> clients;
    for (int i = 0; i < 30; ++i) {
      clients.push_back(Submit(Prompt(std::vector<int32_t>(1 + i % 9, 'a' + i % 5), 1 + i % 13)));
    }
    ReturnAll();
    for (int i = 0; i < 30; ++i) {
      std::vector<int32_t> expected;
      for (int t = 0; t < 1 + i % 13; ++t) expected.push_back('a' + i % 5 + 1 + t);
      EXPECT_EQ(clients[i]->ids, expected) << i;
    }
    EXPECT_EQ(engine_->counters().requests_finished(), 30);
    ExpectNothingLeft();
  }
}

TEST_F(EngineTest, OneStageGetsTheNextStepBeforeTheTokenIsKnown) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 4));
  ASSERT_THAT(pipeline_.sent(), SizeIs(2));
  EXPECT_THAT(client->ids, IsEmpty());
  EXPECT_EQ(pipeline_.sent()[1].slices(0).start(), 1);
  EXPECT_THAT(pipeline_.sent()[1].slices(0).token_ids(), ElementsAre(kSampledToken));
  ReturnAll();
  EXPECT_EQ(client->text, "bcde");
  // The last token is the last for its number, so no step is computed in vain.
  EXPECT_EQ(pipeline_.sent().back().slices_size(), 0);
  EXPECT_THAT(pipeline_.sent(), SizeIs(5));
  ExpectNothingLeft();
}

TEST_F(EngineTest, SeveralStagesGetNoTokenThatIsNotKnown) {
  Begin(64, 2);
  const auto client = Submit(Prompt({'a'}, 4));
  ReturnAll();
  EXPECT_EQ(client->text, "bcde");
  for (const v1::StepHeader& step : pipeline_.sent()) {
    for (const v1::SequenceSlice& slice : step.slices()) {
      EXPECT_THAT(slice.token_ids(), ::testing::Not(Contains(kSampledToken)));
    }
  }
  ExpectNothingLeft();
}

TEST_F(EngineTest, ATokenAfterTheEndIsDropped) {
  Begin();
  Request request = Prompt({'a'}, 9);
  request.params.add_end_token_ids('c');
  const auto client = Submit(std::move(request));
  Return();
  Return();
  EXPECT_THAT(client->ids, ElementsAre('b', 'c'));
  EXPECT_TRUE(client->ended);
  EXPECT_FALSE(pipeline_.idle()) << "a step is on its way";
  ExpectNothingLeft();
  EXPECT_THAT(client->ids, ElementsAre('b', 'c'));
  EXPECT_EQ(engine_->counters().generated_tokens(), 2);
}

TEST_F(EngineTest, ATokenWithNoneAwaitedFailsTheRequest) {
  Begin();
  const auto client = Submit(Prompt(std::vector<int32_t>(40, 'x'), 3));
  v1::StepHeader result = pipeline_.Next();  // of a chunk within the prompt
  v1::SliceResult* slice = result.add_results();
  slice->set_sequence(pipeline_.tables().begin()->first);
  slice->add_tokens()->mutable_token()->set_token_id('y');
  engine_->OnResult(result);
  engine_->Pump();
  EXPECT_THAT(client->status, StatusIs(absl::StatusCode::kInternal, HasSubstr("malformed")));
  ExpectNothingLeft();
}

TEST_F(EngineTest, CancellingReleasesInTheNextStep) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 50));
  Return();
  const uint64_t number = pipeline_.tables().begin()->first;
  engine_->Cancel(last_id_, absl::CancelledError("gone"));
  engine_->Pump();
  EXPECT_THAT(pipeline_.sent().back().released(), ElementsAre(number));
  EXPECT_THAT(pipeline_.sent().back().slices(), IsEmpty());
  EXPECT_EQ(engine_->counters().kv_blocks_used(), 0);
  EXPECT_THAT(client->status, StatusIs(absl::StatusCode::kCancelled, HasSubstr("gone")));
  const size_t tokens = client->ids.size();
  ReturnAll();
  EXPECT_EQ(client->ids.size(), tokens);
  ExpectNothingLeft();
}

TEST_F(EngineTest, CancellingOneLeavesTheOthersAlone) {
  Begin();
  const auto kept = Submit(Prompt({'a'}, 5));
  const auto cancelled = Submit(Prompt({'k'}, 5));
  Return();
  engine_->Cancel(last_id_, absl::CancelledError("gone"));
  ReturnAll();
  EXPECT_THAT(kept->ids, ElementsAre('b', 'c', 'd', 'e', 'f'));
  EXPECT_TRUE(cancelled->ended);
  ExpectNothingLeft();
}

TEST_F(EngineTest, ADeadlineEndsRunningAndWaitingRequests) {
  options_.max_sequences = 1;
  Begin();
  const auto running = Submit(Prompt({'a'}, 50), absl::Seconds(10));
  const auto waiting = Submit(Prompt({'b'}, 50), absl::Seconds(5));
  EXPECT_EQ(engine_->NextDeadline(), clock_.Now() + absl::Seconds(5));
  clock_.Advance(absl::Seconds(5));
  engine_->Pump();
  EXPECT_THAT(waiting->status, StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("")));
  EXPECT_FALSE(running->ended);
  clock_.Advance(absl::Seconds(5));
  engine_->Pump();
  EXPECT_THAT(running->status, StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("")));
  EXPECT_EQ(engine_->NextDeadline(), absl::InfiniteDuration());
  ExpectNothingLeft();
}

TEST_F(EngineTest, AFullQueueRefuses) {
  options_.max_sequences = 1;
  Begin();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Submit(Prompt({'a'}, 2))->ended);
  const auto refused = Submit(Prompt({'a'}, 2));
  EXPECT_THAT(refused->status,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("queue is full")));
  EXPECT_EQ(engine_->counters().requests_rejected(), 1);
  ExpectNothingLeft();
  EXPECT_EQ(engine_->counters().requests_finished(), 5);
}

TEST_F(EngineTest, AFullQueueMakesRoomForAClientWithLess) {
  options_.max_sequences = 1;
  Begin();
  std::vector<std::shared_ptr<Client>> flood;
  for (int i = 0; i < 5; ++i) {
    Request request = Prompt({'a'}, 2);
    request.client = "flood";
    flood.push_back(Submit(std::move(request)));
  }
  Request request = Prompt({'k'}, 2);
  request.client = "other";
  const auto other = Submit(std::move(request));
  EXPECT_FALSE(other->ended);
  EXPECT_THAT(flood[4]->status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("queue")));
  EXPECT_GE(GetRetryDelay(flood[4]->status), absl::Milliseconds(100));
  ExpectNothingLeft();
  EXPECT_THAT(other->ids, ElementsAre('l', 'm'));
  for (int i = 0; i < 4; ++i) EXPECT_THAT(flood[i]->ids, SizeIs(2)) << i;
}

TEST_F(EngineTest, AFullQueueRefusesTheClientThatFillsIt) {
  options_.max_sequences = 1;
  Begin();
  std::vector<std::shared_ptr<Client>> clients;
  for (const char* name : {"a", "a", "a", "b", "b", "b", "a"}) {
    Request request = Prompt({'a'}, 2);
    request.client = name;
    clients.push_back(Submit(std::move(request)));
  }
  // The first runs; then two of each wait.
  for (int i : {5, 6}) {
    EXPECT_THAT(clients[i]->status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("")));
  }
  ExpectNothingLeft();
}

TEST_F(EngineTest, ClientsTakeTurns) {
  options_.max_sequences = 1;
  Begin();
  std::vector<std::shared_ptr<Client>> clients;
  for (const char* name : {"a", "a", "a", "b"}) {
    Request request = Prompt({'a'}, 2);
    request.client = name;
    clients.push_back(Submit(std::move(request)));
  }
  while (!clients[3]->ended) Return();
  EXPECT_TRUE(clients[0]->ended);
  EXPECT_THAT(clients[2]->ids, IsEmpty());
  ExpectNothingLeft();
}

TEST_F(EngineTest, PromptsBesideAnswersAreMeasuredFirst) {
  Begin();
  const auto answering = Submit(Prompt({'a'}, 200));
  Return();
  Submit(Prompt(std::vector<int32_t>(100, 'x'), 1));
  const auto last = [this] { return pipeline_.sent().back(); };
  ASSERT_THAT(last().slices(), SizeIs(1));  // nobody knows yet how long a step takes without
  clock_.Advance(absl::Milliseconds(10));
  Return();
  ASSERT_THAT(last().slices(), SizeIs(2));
  const int first = last().slices(1).token_ids_size();
  clock_.Advance(absl::Milliseconds(10));
  Return();                                // of the step that was sent before it
  clock_.Advance(absl::Milliseconds(26));  // 10 beyond the 1.6 times of --max_decode_slowdown
  Return();
  ASSERT_THAT(last().slices(), SizeIs(2));
  EXPECT_LT(last().slices(1).token_ids_size(), first);
  ExpectNothingLeft();
  EXPECT_THAT(answering->ids, SizeIs(200));
}

TEST_F(EngineTest, TheEndOfAnEpochFailsEveryRequestWithTheReason) {
  options_.max_sequences = 1;
  Begin();
  const auto running = Submit(Prompt({'a'}, 9));
  const auto waiting = Submit(Prompt({'b'}, 9));
  engine_->EndEpoch(absl::UnavailableError("worker w1 (model.layers.0) was lost"));
  const auto later = Submit(Prompt({'c'}, 9));
  for (const auto& client : {running, waiting, later}) {
    EXPECT_THAT(client->status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("worker w1")));
  }
}

TEST_F(EngineTest, ResultsOfAnEarlierEpochAreIgnored) {
  Begin();
  Submit(Prompt({'a'}, 9));
  const v1::StepHeader stale = pipeline_.Next();
  engine_->EndEpoch(absl::UnavailableError("lost"));
  FakePipeline second;
  engine_->BeginEpoch({2, 1, 64, &second});
  const auto client = Submit(Prompt({'k'}, 2));
  engine_->OnResult(stale);
  EXPECT_EQ(engine_->counters().stale_results(), 1);
  EXPECT_THAT(client->ids, IsEmpty());
  while (!second.idle()) {
    engine_->OnResult(second.Next());
    engine_->Pump();
  }
  EXPECT_THAT(client->ids, ElementsAre('l', 'm'));
  engine_.reset();
}

TEST_F(EngineTest, AResultOfAStepNeverSentIsIgnored) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 9));
  v1::StepHeader result = pipeline_.Next();
  result.set_step(pipeline_.sent().size() + 1);
  engine_->OnResult(result);
  EXPECT_EQ(engine_->counters().stale_results(), 1);
  EXPECT_THAT(client->ids, IsEmpty());
}

TEST_F(EngineTest, AFailedSliceFailsItsRequestAlone) {
  Begin();
  const auto failed = Submit(Prompt({'a'}, 3));
  const auto other = Submit(Prompt({'k'}, 3));
  v1::StepHeader result = pipeline_.Next();
  result.mutable_results(0)->clear_tokens();
  result.mutable_results(0)->set_error("non-finite at model.layers.3 on worker w2");
  engine_->OnResult(result);
  engine_->Pump();
  ExpectNothingLeft();
  EXPECT_THAT(failed->status, StatusIs(absl::StatusCode::kInternal, HasSubstr("model.layers.3")));
  EXPECT_THAT(other->ids, SizeIs(3));
}

TEST_F(EngineTest, ATokenOutsideTheVocabularyFailsTheRequest) {
  Begin();
  const auto client = Submit(Prompt({'a'}, 3));
  v1::StepHeader result = pipeline_.Next();
  result.mutable_results(0)->mutable_tokens(0)->mutable_token()->set_token_id(256);
  engine_->OnResult(result);
  engine_->Pump();
  EXPECT_THAT(client->status, StatusIs(absl::StatusCode::kInternal, HasSubstr("malformed")));
  ExpectNothingLeft();
}

TEST_F(EngineTest, ScoresEveryTokenButTheFirst) {
  options_.max_step_rows = 3;
  Begin();
  Request request = Prompt({'a', 'b', 'c', 'd', 'e', 'f', 'g'}, 0);
  request.params.set_score(true);
  const auto client = Submit(std::move(request));
  ReturnAll();
  ASSERT_THAT(client->scored, SizeIs(7));
  EXPECT_FALSE(client->scored[0].has_logprob());
  for (int i = 1; i < 7; ++i) {
    EXPECT_EQ(client->scored[i].token_id(), 'a' + i);
    EXPECT_EQ(client->scored[i].logprob(), -('a' + i - 1));
  }
  EXPECT_EQ(pipeline_.sent()[0].slices(0).following_token(), 'd');
  EXPECT_TRUE(client->ended);
  ExpectNothingLeft();
}

TEST_F(EngineTest, APreemptedSequenceIsComputedAgainAndGoesOn) {
  // Four blocks of four tokens: two sequences that grow to twelve tokens cannot both stay.
  Begin(4);
  const auto older = Submit(Prompt({'a', 'a', 'a'}, 9));
  const auto younger = Submit(Prompt({'k', 'k', 'k'}, 9));
  ReturnAll();
  EXPECT_EQ(older->text, "bcdefghij");
  EXPECT_EQ(younger->text, "lmnopqrst");
  ExpectNothingLeft();
}

// Allows what the fake pipeline gives, and notes what it is told.
class Counting : public TokenConstraint {
 public:
  explicit Counting(std::vector<int32_t>* accepted) : accepted_(accepted) {}
  std::unique_ptr<TokenConstraint> Copy() const override {
    return std::make_unique<Counting>(*this);
  }
  bool Allowed(std::string* mask) override {
    if (taken_ == 0) return false;
    mask->assign(1, static_cast<char>(taken_));
    return true;
  }
  absl::Status Accept(int32_t token) override {
    if (token == 'z') return absl::InternalError("no z here");
    ++taken_;
    accepted_->push_back(token);
    return absl::OkStatus();
  }

 private:
  std::vector<int32_t>* accepted_;
  int taken_ = 0;
};

TEST_F(EngineTest, AConstraintMasksEverySampledRowAndLearnsItsToken) {
  options_.max_step_tokens = 4;
  Begin();
  std::vector<int32_t> accepted;
  Request request = Prompt({'a', 'a', 'a', 'a', 'a', 'a'}, 4);
  request.constraint = std::make_shared<Counting>(&accepted);
  const auto client = Submit(std::move(request));
  ReturnAll();
  EXPECT_THAT(client->ids, ElementsAre('b', 'c', 'd', 'e'));
  EXPECT_THAT(accepted, ElementsAre('b', 'c', 'd')) << "the last token ended it";
  std::vector<std::string> masks;
  for (const v1::StepHeader& header : pipeline_.sent()) {
    for (const v1::SequenceSlice& slice : header.slices()) masks.push_back(slice.allowed_tokens());
  }
  EXPECT_THAT(masks, ElementsAre("", "", "\1", "\2", "\3"));
  ExpectNothingLeft();
}

TEST_F(EngineTest, EverySequenceHasItsOwnConstraint) {
  Begin();
  std::vector<int32_t> accepted;
  Request request = Prompt({'a'}, 3);
  request.constraint = std::make_shared<Counting>(&accepted);
  Submit(request);
  Submit(request);
  ReturnAll();
  std::map<uint64_t, std::vector<std::string>> masks;
  for (const v1::StepHeader& header : pipeline_.sent()) {
    for (const v1::SequenceSlice& slice : header.slices()) {
      masks[slice.sequence()].push_back(slice.allowed_tokens());
    }
  }
  ASSERT_THAT(masks, SizeIs(2));
  for (const auto& [sequence, of_it] : masks) EXPECT_THAT(of_it, ElementsAre("", "\1", "\2"));
}

TEST_F(EngineTest, ATokenThatAConstraintRefusesFailsItsRequest) {
  Begin();
  std::vector<int32_t> accepted;
  Request request = Prompt({'x'}, 9);
  request.constraint = std::make_shared<Counting>(&accepted);
  const auto client = Submit(std::move(request));
  ReturnAll();
  EXPECT_THAT(client->ids, ElementsAre('y', 'z'));
  EXPECT_THAT(client->status, StatusIs(absl::StatusCode::kInternal, HasSubstr("no z")));
  ExpectNothingLeft();
}

TEST_F(EngineTest, LongRopeComputesAgainWhenTheLongFactorsTakeOver) {
  config_.rope.type = RopeConfig::Type::kLongRope;
  config_.rope.original_max_position_embeddings = 4;
  config_.max_position_embeddings = 64;
  Begin();
  const auto client = Submit(Prompt({'a', 'b'}, 5));
  std::map<uint64_t, std::vector<int64_t>> ropes;
  while (!pipeline_.idle()) {
    for (const auto& [number, table] : pipeline_.tables()) ropes[number] = table.rope_lengths;
    Return();
  }
  EXPECT_EQ(client->text, "cdefg");
  ASSERT_THAT(ropes, SizeIs(2));
  EXPECT_THAT(ropes[1], ElementsAre(2, 2, 3, 4));
  EXPECT_THAT(ropes[2], ElementsAre(5, 5, 5, 5, 5, 6));
  ExpectNothingLeft();
}

// "cde" of a prompt "ab" was generated.
Request AfterCde(Request request) {
  request.begun = Begun{.answers = {{.tokens = {'c', 'd', 'e'}}}};
  return request;
}

TEST_F(EngineTest, WhatHasBegunIsComputedAgainAndGoesOn) {
  Begin();
  Request request = AfterCde(Prompt({'a', 'b'}, 8));
  request.stop = {"efg"};
  const auto client = Submit(std::move(request));
  const FakePipeline::Table& table = pipeline_.tables().begin()->second;
  EXPECT_THAT(table.tokens, ElementsAre('a', 'b', 'c', 'd', 'e'));
  EXPECT_EQ(table.params.prompt_tokens(), 2);
  ReturnAll();
  // The "e" was held back, and is part of the stop string.
  EXPECT_EQ(client->text, "");
  EXPECT_EQ(client->finish.reason(), v1::FINISH_REASON_STOP);
  EXPECT_EQ(client->finish.completion_tokens(), 5);
  EXPECT_EQ(engine_->counters().generated_tokens(), 2);
  ExpectNothingLeft();
}

TEST_F(EngineTest, AConstraintLearnsWhatHasBegun) {
  Begin();
  std::vector<int32_t> accepted;
  Request request = AfterCde(Prompt({'a', 'b'}, 5));
  request.constraint = std::make_shared<Counting>(&accepted);
  Submit(std::move(request));
  EXPECT_EQ(pipeline_.sent().back().slices(0).allowed_tokens(), "\3");
  ReturnAll();
  EXPECT_THAT(accepted, ElementsAre('c', 'd', 'e', 'f'));
  // What it would not have chosen was not chosen here.
  request = Prompt({'x'}, 5);
  request.constraint = std::make_shared<Counting>(&accepted);
  request.begun = Begun{.answers = {{.tokens = {'y', 'z'}}}};
  const auto refused = Submit(std::move(request));
  EXPECT_THAT(refused->status, StatusIs(absl::StatusCode::kInternal, HasSubstr("no z")));
  ExpectNothingLeft();
}

TEST_F(EngineTest, WhatHasBegunSharesNoMoreThanItsPrompt) {
  Begin();
  std::vector<int32_t> first(6, 'a');
  Submit(Prompt(first, 12));
  ReturnAll();
  Request request = Prompt(first, 12);
  request.begun = Begun{.answers = {{.tokens = {'b', 'c', 'd', 'e', 'f', 'g', 'h'}}}};
  const auto client = Submit(std::move(request));
  EXPECT_EQ(pipeline_.sent().back().slices(0).start(), 13);
  ReturnAll();
  EXPECT_EQ(client->finish.shared_prompt_tokens(), 6);
}

TEST_F(EngineTest, WhatWasLostIsNotChargedAgain) {
  options_.max_steps_in_flight = 1;
  for (const bool charged : {false, true}) {
    SCOPED_TRACE(charged);
    pipeline_ = FakePipeline();
    Begin();
    Request request = Prompt(std::vector<int32_t>(40, 'x'), 9);
    request.client = "lost";
    request.begun = Begun{.answers = {{.tokens = {'y'}}}, .charged = charged};
    Submit(std::move(request));
    request = Prompt(std::vector<int32_t>(40, 'x'), 9);
    request.client = "other";
    Submit(std::move(request));
    Return();
    Return();
    // The third step has the prompt of the client that has had less.
    EXPECT_EQ(pipeline_.sent()[2].slices(0).start(), charged ? 32 : 0);
    ExpectNothingLeft();
  }
}

TEST_F(EngineTest, LongRopeIsThatOfWhatHasBegun) {
  config_.rope.type = RopeConfig::Type::kLongRope;
  config_.rope.original_max_position_embeddings = 4;
  config_.max_position_embeddings = 64;
  Begin();
  Submit(AfterCde(Prompt({'a', 'b'}, 5)));
  EXPECT_THAT(pipeline_.tables().begin()->second.rope_lengths, ElementsAre(5, 5, 5, 5, 5, 6));
  ReturnAll();
}

TEST_F(EngineTest, DynamicRopeKeepsEarlierKeys) {
  config_.rope.type = RopeConfig::Type::kDynamic;
  config_.rope.original_max_position_embeddings = 4;
  config_.max_position_embeddings = 4;
  Begin();
  const auto client = Submit(Prompt({'a', 'b', 'c'}, 4));
  std::map<uint64_t, std::vector<int64_t>> ropes;
  while (!pipeline_.idle()) {
    for (const auto& [number, table] : pipeline_.tables()) ropes[number] = table.rope_lengths;
    Return();
  }
  ASSERT_THAT(ropes, SizeIs(1));
  EXPECT_THAT(ropes[1], ElementsAre(3, 3, 3, 4, 5, 6));
  EXPECT_EQ(client->text, "defg");
}

}  // namespace
}  // namespace gantry
