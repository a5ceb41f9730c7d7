#include "coordinator/kept_requests.h"

#include <deque>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "coordinator/engine_loop.h"
#include "tests/coordinator/engine_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// An EngineLoop without a thread: what it is asked waits for Turn.
class Turns : public RequestRunner {
 public:
  explicit Turns(std::optional<Engine>* engine) : engine_(engine) {}
  uint64_t Submit(Request request, std::shared_ptr<RequestSink> sink,
                  absl::Duration deadline) override {
    calls_.push_back([this, id = ++last_id_, request, sink, deadline] {
      (*engine_)->Submit(id, request, sink, deadline);
    });
    return last_id_;
  }
  void SetDeadline(uint64_t id, absl::Duration deadline) override {
    calls_.push_back([this, id, deadline] { (*engine_)->SetDeadline(id, deadline); });
  }
  void Cancel(uint64_t id, const absl::Status& why) override {
    calls_.push_back([this, id, why] { (*engine_)->Cancel(id, why); });
  }
  void Turn() {
    for (; !calls_.empty(); calls_.pop_front()) calls_.front()();
    (*engine_)->Pump();
  }

 private:
  std::optional<Engine>* const engine_;
  std::deque<std::function<void()>> calls_;
  uint64_t last_id_ = 0;
};

// A call of Generate.
struct Stream : MessageSink {
  void OnMessage(std::shared_ptr<const v1::GenerateResponse> message) override {
    EXPECT_FALSE(end.has_value());
    messages.push_back(*message);
  }
  void OnEnd(const absl::Status& status) override {
    EXPECT_FALSE(end.has_value());
    end = status;
  }
  bool ended() const { return end.has_value(); }
  absl::Status status() const { return end.value_or(absl::UnknownError("it goes on")); }
  std::string text() const {
    std::string text;
    for (const v1::GenerateResponse& message : messages) {
      text += message.has_finish() ? message.finish().text() : message.token().text();
    }
    return text;
  }

  std::vector<v1::GenerateResponse> messages;
  std::optional<absl::Status> end;
  std::shared_ptr<KeptRequests::Record> record;  // null: refused
};

class KeptRequestsTest : public EngineTest {
 protected:
  KeptRequestsTest() {
    context_.vocab_size = 256;
    context_.context = 200;
    context_.tokenizer = &tokenizer_;
    Keep({});
  }

  void Keep(const KeptRequestsOptions& options) { kept_.emplace(options, &turns_, &clock_); }

  static v1::GenerateRequest Ask(const std::string& id, const std::string& prompt, int tokens) {
    v1::GenerateRequest asked;
    asked.set_request_id(id);
    asked.set_prompt(prompt);
    asked.set_add_special_tokens(false);
    asked.set_max_new_tokens(tokens);
    return asked;
  }
  static v1::GenerateRequest After(v1::GenerateRequest asked, int messages) {
    asked.set_resume_from(messages);
    return asked;
  }

  // As the door does.
  std::shared_ptr<Stream> Call(const v1::GenerateRequest& asked, const std::string& client = "",
                               absl::Duration deadline = absl::InfiniteDuration()) {
    const auto stream = std::make_shared<Stream>();
    absl::StatusOr<Request> request = CheckGenerate(asked, context_, ++random_seed_);
    EXPECT_THAT(request, IsOk());
    request->client = client;
    stream->record = kept_->Start(asked, *std::move(request), deadline, stream);
    return stream;
  }
  void Leave(const std::shared_ptr<Stream>& stream) { kept_->Leave(stream->record, stream.get()); }

  void Turn() {
    turns_.Turn();
    if (!pipeline_.idle()) Return();
  }
  void TurnUntil(const Stream& stream, size_t messages) {
    while (stream.messages.size() < messages && !stream.ended()) Turn();
  }
  void TurnToTheEnd(const Stream& stream) {
    while (!stream.ended()) Turn();
  }
  void LoseAll(const std::string& numerics = "") {
    engine_->EndEpoch(absl::UnavailableError("worker w1 was lost"));
    const auto sample = pipeline_.sample;
    pipeline_ = FakePipeline();
    pipeline_.sample = sample;
    engine_->BeginEpoch({++epoch_, 1, 64, &pipeline_, numerics});
  }

  Turns turns_{&engine_};
  RequestContext context_;
  std::optional<KeptRequests> kept_;
  uint64_t random_seed_ = 0;
  uint64_t epoch_ = 1;
};

TEST_F(KeptRequestsTest, AStreamThatBreaksStopsAndGoesOnWithTheSameTokens) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "za", 6);
  const auto broken = Call(asked);
  TurnUntil(*broken, 3);
  Leave(broken);
  EXPECT_THAT(broken->status(), StatusIs(absl::StatusCode::kCancelled, _));
  turns_.Turn();
  EXPECT_EQ(engine_->counters().requests_running(), 0);
  EXPECT_EQ(engine_->counters().kv_blocks_used(), 0);
  clock_.Advance(absl::Seconds(59));
  const auto resumed = Call(After(asked, 1));
  EXPECT_THAT(resumed->messages, SizeIs(2)) << "the second and the third are known";
  TurnToTheEnd(*resumed);
  GANTRY_EXPECT_OK(resumed->status());
  EXPECT_EQ(resumed->text(), "cdefg");
  const v1::Finish& finish = resumed->messages.back().finish();
  EXPECT_EQ(finish.prompt_tokens(), 2);
  EXPECT_EQ(finish.completion_tokens(), 6);
  EXPECT_EQ(finish.reason(), v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(engine_->counters().generated_tokens(), 6) << "none twice";
  ExpectNothingLeft();
}

TEST_F(KeptRequestsTest, TimesAreThoseSinceItWentOn) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 4);
  const auto broken = Call(asked);
  TurnUntil(*broken, 2);
  Leave(broken);
  turns_.Turn();
  clock_.Advance(absl::Seconds(50));
  const auto resumed = Call(After(asked, 2));
  turns_.Turn();
  clock_.Advance(absl::Seconds(2));
  TurnUntil(*resumed, 1);
  clock_.Advance(absl::Seconds(1));
  TurnToTheEnd(*resumed);
  const v1::Finish& finish = resumed->messages.back().finish();
  EXPECT_EQ(finish.time_to_first_token_s(), 2);
  EXPECT_EQ(finish.tokens_per_s(), 1);
}

TEST_F(KeptRequestsTest, AnEndThatWasMissedIsToldAgain) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 3);
  const auto first = Call(asked);
  TurnToTheEnd(*first);
  const auto again = Call(After(asked, 2));
  GANTRY_EXPECT_OK(again->status());
  EXPECT_EQ(again->text(), "d");
  EXPECT_THAT(again->messages, SizeIs(2));
  const auto nothing = Call(After(asked, 4));
  GANTRY_EXPECT_OK(nothing->status());
  EXPECT_THAT(nothing->messages, IsEmpty());
}

TEST_F(KeptRequestsTest, AnotherCallTakesOverWhatStillRuns) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  const auto half_open = Call(asked);
  TurnUntil(*half_open, 2);
  const auto second = Call(After(asked, 1), "", clock_.Now() + absl::Seconds(9));
  EXPECT_THAT(half_open->status(), StatusIs(absl::StatusCode::kAborted, HasSubstr("\"x\"")));
  Leave(half_open);
  turns_.Turn();
  EXPECT_EQ(engine_->NextDeadline(), clock_.Now() + absl::Seconds(9)) << "that of the new call";
  TurnToTheEnd(*second);
  EXPECT_EQ(second->text(), "cdef");
  EXPECT_EQ(pipeline_.computed(), 5) << "nothing was computed again";
}

TEST_F(KeptRequestsTest, WhatIsBeingStoppedGoesOnWhenItHasStopped) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  const auto broken = Call(asked);
  TurnUntil(*broken, 2);
  Leave(broken);
  const auto left = Call(After(asked, 2));
  Leave(left);
  const auto second = Call(After(asked, 2));
  TurnToTheEnd(*second);
  GANTRY_EXPECT_OK(second->status());
  EXPECT_EQ(second->text(), "def");
  EXPECT_THAT(left->status(), StatusIs(absl::StatusCode::kCancelled, _));
  ExpectNothingLeft();
}

TEST_F(KeptRequestsTest, WhatFinishesBeforeItIsStoppedIsOver) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 2);
  const auto broken = Call(asked);
  TurnUntil(*broken, 1);
  Leave(broken);
  const auto second = Call(After(asked, 1));
  Return();  // the engine has not heard of any of this
  GANTRY_EXPECT_OK(second->status());
  EXPECT_EQ(second->text(), "c");
  turns_.Turn();
  ExpectNothingLeft();
}

TEST_F(KeptRequestsTest, WhatALostWorkerEndedGoesOnWithOthers) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  const auto lost = Call(asked);
  TurnUntil(*lost, 2);
  LoseAll();
  EXPECT_THAT(lost->status(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("w1")));
  const auto resumed = Call(After(asked, 2));
  TurnToTheEnd(*resumed);
  EXPECT_EQ(resumed->text(), "def");
}

TEST_F(KeptRequestsTest, OtherNumericsWouldGoOnOtherwise) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  const auto lost = Call(asked);
  TurnUntil(*lost, 2);
  LoseAll("gc");
  const auto refused = Call(After(asked, 2));
  turns_.Turn();
  EXPECT_THAT(refused->status(),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("without resume_from")));
  const auto anew = Call(asked);
  TurnToTheEnd(*anew);
  EXPECT_EQ(anew->text(), "bcdef");
}

TEST_F(KeptRequestsTest, ARequestWithoutAnswerIsNotKept) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  Leave(Call(asked));
  turns_.Turn();
  EXPECT_EQ(kept_->bytes(), 0);
  EXPECT_THAT(Call(After(asked, 0))->status(), StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(KeptRequestsTest, WhatIsNotKnownIsNotFound) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 2);
  const auto not_found =
      StatusIs(absl::StatusCode::kNotFound,
               AllOf(HasSubstr("\"x\""), HasSubstr("1m"), HasSubstr("without resume_from")));
  EXPECT_THAT(Call(After(asked, 0))->status(), not_found);
  const auto ended = Call(asked, "ann");
  TurnToTheEnd(*ended);
  EXPECT_THAT(Call(After(asked, 0), "bob")->status(), not_found);
  clock_.Advance(absl::Seconds(60));
  EXPECT_THAT(Call(After(asked, 0), "ann")->status(), not_found);
  EXPECT_EQ(kept_->bytes(), 0);
}

TEST_F(KeptRequestsTest, NothingIsKeptWithoutATimeOrAName) {
  Begin();
  const auto unnamed = Call(Ask("", "a", 2));
  TurnToTheEnd(*unnamed);
  EXPECT_EQ(kept_->bytes(), 0);
  Keep({.timeout = absl::ZeroDuration()});
  const v1::GenerateRequest asked = Ask("x", "a", 2);
  const auto named = Call(asked);
  TurnToTheEnd(*named);
  EXPECT_EQ(named->text(), "bc");
  EXPECT_EQ(kept_->bytes(), 0);
  EXPECT_THAT(Call(After(asked, 0))->status(), StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(KeptRequestsTest, MoreThanWasGivenIsOutOfRange) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  const auto stream = Call(asked);
  TurnUntil(*stream, 2);
  EXPECT_THAT(Call(After(asked, 3))->status(),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("at most 2")));
  TurnToTheEnd(*stream);
  EXPECT_EQ(stream->text(), "bcdef") << "it was not taken over";
}

TEST_F(KeptRequestsTest, AnotherRequestUnderTheNameIsRefused) {
  Begin();
  const auto stream = Call(Ask("x", "a", 5));
  TurnUntil(*stream, 2);
  EXPECT_THAT(Call(After(Ask("x", "a", 6), 2))->status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("request_id")));
  TurnToTheEnd(*stream);
  GANTRY_EXPECT_OK(stream->status());
}

TEST_F(KeptRequestsTest, TheSameNameAgainTakesThePlaceOfTheFirst) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  const auto first = Call(asked);
  TurnUntil(*first, 2);
  const v1::GenerateRequest other = Ask("x", "k", 3);
  const auto second = Call(other);
  TurnToTheEnd(*first);
  TurnToTheEnd(*second);
  EXPECT_EQ(first->text(), "bcdef");
  EXPECT_EQ(second->text(), "lmn");
  EXPECT_EQ(Call(After(other, 1))->text(), "mn");
  EXPECT_THAT(Call(After(asked, 1))->status(), StatusIs(absl::StatusCode::kInvalidArgument, _));
}

TEST_F(KeptRequestsTest, ACallThatWaitsToGoOnEndsWhenTheNameIsTaken) {
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  const auto broken = Call(asked);
  TurnUntil(*broken, 2);
  Leave(broken);
  const auto waiting = Call(After(asked, 2));
  const auto anew = Call(asked);
  EXPECT_THAT(waiting->status(), StatusIs(absl::StatusCode::kAborted, HasSubstr("\"x\"")));
  TurnToTheEnd(*anew);
  EXPECT_EQ(anew->text(), "bcdef");
  ExpectNothingLeft();
}

TEST_F(KeptRequestsTest, ASeedThatWasChosenStays) {
  Begin();
  pipeline_.sample = [](absl::Span<const int32_t>, const v1::SequenceParams& params) {
    return 'a' + static_cast<int32_t>(params.seed() % 20);
  };
  const v1::GenerateRequest asked = Ask("x", "a", 4);
  const auto broken = Call(asked);
  TurnUntil(*broken, 2);
  Leave(broken);
  const auto resumed = Call(After(asked, 0));
  TurnToTheEnd(*resumed);
  EXPECT_EQ(resumed->text(), "bbbb");
}

TEST_F(KeptRequestsTest, APromptThatATemplateDatedStays) {
  Begin();
  const auto monday = ChatTemplate::Parse("Mon {{ messages[0].content }}", Json::object()).value();
  const auto tuesday = ChatTemplate::Parse("T {{ messages[0].content }}", Json::object()).value();
  context_.chat_template = monday.get();
  v1::GenerateRequest asked = Ask("x", "", 0);
  asked.clear_max_new_tokens();  // as many as the context leaves room for
  asked.set_ignore_eos(true);
  asked.mutable_chat()->add_messages()->set_role("user");
  const auto broken = Call(asked);
  TurnUntil(*broken, 2);
  LoseAll();
  context_.chat_template = tuesday.get();
  const auto resumed = Call(After(asked, 2));
  turns_.Turn();
  EXPECT_EQ(pipeline_.sent()[0].slices(0).token_ids(0), 'M');
  EXPECT_EQ(pipeline_.sent()[0].slices(0).token_ids(1), 'o');
  TurnToTheEnd(*resumed);
  GANTRY_EXPECT_OK(resumed->status());
  const v1::Finish& finish = resumed->messages.back().finish();
  EXPECT_EQ(finish.prompt_tokens() + finish.completion_tokens(), context_.context);
}

TEST_F(KeptRequestsTest, WhatEndedFirstGoesFirstWhenMemoryIsShort) {
  Begin();
  Keep({.max_bytes = 8000});
  std::vector<v1::GenerateRequest> asked;
  for (int i = 0; i < 20; ++i) {
    asked.push_back(Ask(absl::StrCat("x", i), "a", 4));
    TurnToTheEnd(*Call(asked.back()));
    EXPECT_LE(kept_->bytes(), 8000);
  }
  int known = 0;
  for (const v1::GenerateRequest& one : asked) {
    const bool found = Call(After(one, 0))->status().ok();
    EXPECT_GE(found, known > 0) << "one that ended later is forgotten";
    known += found;
  }
  EXPECT_GT(known, 1);
  EXPECT_LT(known, 20);
}

TEST_F(KeptRequestsTest, ARequestThatOutgrowsTheMemoryIsAnsweredButNotKept) {
  Begin();
  Keep({.max_bytes = 8000});
  const v1::GenerateRequest asked = Ask("x", "a", 100);
  const auto stream = Call(asked);
  while (!stream->ended()) {
    Turn();
    EXPECT_LE(kept_->bytes(), 8000);
  }
  GANTRY_EXPECT_OK(stream->status());
  EXPECT_THAT(stream->messages, SizeIs(101));
  EXPECT_EQ(kept_->bytes(), 0);
  EXPECT_THAT(Call(After(asked, 0))->status(), StatusIs(absl::StatusCode::kNotFound, _));
}

TEST_F(KeptRequestsTest, AFullQueueLeavesItForTheNextCall) {
  options_.max_sequences = 1;
  options_.max_queue = 1;
  Begin();
  const v1::GenerateRequest asked = Ask("x", "a", 5);
  const auto broken = Call(asked);
  TurnUntil(*broken, 2);
  Leave(broken);
  const auto running = Call(Ask("", "k", 9));
  TurnUntil(*running, 1);
  const auto waiting = Call(Ask("", "k", 9));
  turns_.Turn();
  const auto refused = Call(After(asked, 2));
  turns_.Turn();
  EXPECT_THAT(refused->status(), StatusIs(absl::StatusCode::kResourceExhausted, _));
  TurnToTheEnd(*waiting);
  const auto resumed = Call(After(asked, 2));
  TurnToTheEnd(*resumed);
  GANTRY_EXPECT_OK(resumed->status());
  EXPECT_EQ(resumed->text(), "def");
}

// Each answer's messages, without what depends on when they came.
std::map<int, std::vector<std::string>> ByAnswer(std::vector<v1::GenerateResponse> messages) {
  std::map<int, std::vector<std::string>> answers;
  for (v1::GenerateResponse& message : messages) {
    if (message.has_token()) {
      answers[message.token().sequence_index()].push_back(message.ShortDebugString());
      continue;
    }
    v1::Finish finish;
    finish.set_reason(message.finish().reason());
    finish.set_text(message.finish().text());
    finish.set_prompt_tokens(message.finish().prompt_tokens());
    finish.set_completion_tokens(message.finish().completion_tokens());
    answers[message.finish().sequence_index()].push_back(finish.ShortDebugString());
  }
  return answers;
}

TEST_F(KeptRequestsTest, AnyStreamIsWhatItWouldHaveBeenWhereverItBreaks) {
  options_.recovery_timeout = absl::Seconds(60);
  context_.generation.eos_token_ids = {'c'};
  config_.rope.original_max_position_embeddings = 12;
  config_.max_position_embeddings = 200;
  std::mt19937 random(7);
  const auto chance = [&random](int percent) { return random() % 100 < percent; };
  // Of few letters, so that stop strings occur; the same only after the same tokens and parameters.
  const auto sample = [](absl::Span<const int32_t> tokens, const v1::SequenceParams& params) {
    std::string all = params.SerializeAsString();
    all.append(tokens.begin(), tokens.end());
    const size_t choice = std::hash<std::string>()(all) % 32;
    return choice == 0 ? 'c' : 'd' + static_cast<int32_t>(choice % 5);
  };
  int breaks = 0;
  for (int trial = 0; trial < 300; ++trial) {
    SCOPED_TRACE(trial);
    v1::GenerateRequest asked =
        Ask("x", std::string(1 + random() % 20, 'e' + random() % 3), 1 + random() % 40);
    asked.set_n(1 + random() % 3);
    asked.set_logprobs(chance(50));
    asked.set_ignore_eos(chance(30));
    asked.set_min_new_tokens(random() % (asked.max_new_tokens() + 1));
    asked.mutable_sampling()->set_presence_penalty(random() % 3);
    if (chance(50)) asked.mutable_sampling()->set_seed(random());
    for (const char* stop : {"dd", "efg", "hgfe"}) {
      if (chance(40)) asked.add_stop(stop);
    }
    config_.rope.type = chance(50) ? RopeConfig::Type::kLongRope : RopeConfig::Type::kDefault;
    const uint64_t seed = random();
    pipeline_ = FakePipeline();
    pipeline_.sample = sample;
    Keep({});
    Begin(24, 1 + random() % 2);
    epoch_ = 1;
    random_seed_ = seed;
    const auto whole = Call(asked);
    TurnToTheEnd(*whole);
    ASSERT_THAT(whole->status(), IsOk());

    random_seed_ = seed;
    std::vector<v1::GenerateResponse> received;
    auto stream = Call(asked);
    while (stream->status().ok() == false) {
      if (chance(60)) Turn();
      if (chance(5)) LoseAll();
      if (chance(5)) {
        engine_->SuspendEpoch(absl::UnavailableError("worker w1 was lost"));
        pipeline_ = FakePipeline();
        pipeline_.sample = sample;
        engine_->BeginEpoch({++epoch_, 1, 64, &pipeline_});
      }
      if (!stream->ended() && chance(85)) continue;
      if (stream->status().ok()) break;
      // The client has some of what was sent, or it has seen the stream end.
      received.insert(received.end(), stream->messages.begin(), stream->messages.end());
      received.resize(random() % (received.size() + 1));
      if (chance(70)) Leave(stream);
      if (chance(50)) Turn();
      ++breaks;
      const auto next = Call(received.empty() ? asked : After(asked, received.size()));
      // Named again without resume_from it begins anew, with a seed of its own.
      if (received.empty() && !asked.sampling().has_seed()) {
        Leave(next);
        turns_.Turn();
        random_seed_ = seed;
        stream = Call(asked);
      } else {
        stream = next;
      }
    }
    received.insert(received.end(), stream->messages.begin(), stream->messages.end());
    EXPECT_EQ(ByAnswer(received), ByAnswer(whole->messages));
    Leave(stream);
    turns_.Turn();
    while (!pipeline_.idle()) Turn();
    ExpectNothingLeft();
  }
  EXPECT_GT(breaks, 300);
}

// Answers each step at once, in the engine's thread.
struct Echo : StepSink {
  bool Send(const v1::StepHeader& header) override {
    pipeline.Send(header);
    loop->OnResult(pipeline.Next());
    return true;
  }
  FakePipeline pipeline;
  EngineLoop* loop = nullptr;
};

// A call whose client reads in a thread of its own.
class ReadStream : public MessageSink {
 public:
  void OnMessage(std::shared_ptr<const v1::GenerateResponse> message) override {
    absl::MutexLock lock(&mutex_);
    text_ += message->has_finish() ? message->finish().text() : message->token().text();
    ++messages_;
  }
  void OnEnd(const absl::Status& status) override {
    absl::MutexLock lock(&mutex_);
    end_ = status;
  }
  // Waits for so many messages, or for the end.
  void Read(int messages) {
    const auto there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return messages_ >= messages || end_.has_value();
    };
    absl::MutexLock lock(&mutex_, absl::Condition(&there));
  }
  std::string text() const {
    absl::MutexLock lock(&mutex_);
    return text_;
  }
  int messages() const {
    absl::MutexLock lock(&mutex_);
    return messages_;
  }
  std::optional<absl::Status> end() const {
    absl::MutexLock lock(&mutex_);
    return end_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  int messages_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(KeptRequestsTest, ClientsInManyThreadsBreakAndGoOn) {
  Echo echo;
  std::optional<KeptRequests> kept;  // as in Server: made after the engine, and outlives it
  options_.max_queue = 64;
  EngineLoop loop(options_, &config_, &tokenizer_, Clock::Real());
  kept.emplace(KeptRequestsOptions{}, &loop, Clock::Real());
  echo.loop = &loop;
  loop.BeginEpoch({1, 1, 64, &echo});
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        const v1::GenerateRequest asked = Ask(absl::StrCat("x", i), "a", 20);
        std::string text;
        int received = 0;
        for (bool whole = false; !whole;) {
          const v1::GenerateRequest next = received == 0 ? asked : After(asked, received);
          const auto stream = std::make_shared<ReadStream>();
          const auto record = kept->Start(next, *CheckGenerate(next, context_, 1),
                                          absl::InfiniteDuration(), stream);
          stream->Read(4);
          kept->Leave(record, stream.get());
          received += stream->messages();
          text += stream->text();
          whole = stream->end()->ok();
        }
        EXPECT_EQ(text, "bcdefghijklmnopqrstu");
        EXPECT_EQ(received, 21);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  loop.EndEpoch(absl::CancelledError("the test is over"));
}

}  // namespace
}  // namespace gantry
