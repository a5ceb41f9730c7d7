#include "client/generate.h"

#include <signal.h>
#include <unistd.h>

#include <memory>

#include "tests/client/captured_output.h"
#include "tests/client/fake_inference.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using Action = GenerateOptions::Action;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class GenerateTest : public ::testing::Test {
 protected:
  GenerateTest() {
    server_.events = {TokenEvent(0, 5, "One", -0.5f), TokenEvent(1, 6, " \"two\"", -1.2f),
                      FinishEvent(v1::FINISH_REASON_LENGTH, ".", 3, 2)};
  }
  absl::Status Run(const GenerateOptions& options) {
    return RunGenerate(options, server_.MakeClient(), nullptr, captured_.output(),
                       errors_.output());
  }

  FakeInference server_;
  CapturedOutput captured_;
  CapturedOutput errors_;
};

TEST_F(GenerateTest, TextComesWithWhatWasHeldBack) {
  GANTRY_ASSERT_OK(Run({.prompt = "x"}));
  EXPECT_EQ(captured_.text(), "One \"two\".");
}

TEST_F(GenerateTest, JsonIsALineATokenAndAFinish) {
  GANTRY_ASSERT_OK(Run({.prompt = "x", .json = true}));
  EXPECT_TRUE(server_.generate_requests()[0].logprobs());
  EXPECT_EQ(
      captured_.text(),
      R"({"index":0,"token_id":5,"text":"One","logprob":-0.5})"
      "\n"
      R"({"index":1,"token_id":6,"text":" \"two\"","logprob":-1.2})"
      "\n"
      R"({"finish_reason":"length","text":".","prompt_tokens":3,"completion_tokens":2,)"
      R"("time_to_first_token_s":0.0,"tokens_per_s":0.0,"queue_s":0.0,"prefill_s":0.0,"decode_s":0.0})"
      "\n");
}

TEST_F(GenerateTest, ATraceFollowsTheAnswer) {
  server_.traces.add_traces()->set_request_id("of the server");
  GANTRY_ASSERT_OK(Run({.prompt = "x", .trace = true}));
  EXPECT_THAT(captured_.text(), StartsWith("One \"two\".\n\nrequest   of the server"));
  EXPECT_NE(server_.generate_requests()[0].request_id(), "");
}

TEST_F(GenerateTest, ATraceIsTheLastLineOfJson) {
  server_.traces.add_traces()->set_finished_reason("stop");
  GANTRY_ASSERT_OK(Run({.prompt = "x", .trace = true, .json = true}));
  EXPECT_THAT(captured_.text(), HasSubstr("\n{\"trace\":{\"request_id\":"));
  EXPECT_THAT(captured_.text(), HasSubstr("\"finished_reason\":\"stop\""));
}

TEST_F(GenerateTest, JsonWithoutLogprobsDoesNotAskForThem) {
  GANTRY_ASSERT_OK(Run({.prompt = "x", .logprobs = false, .json = true}));
  EXPECT_FALSE(server_.generate_requests()[0].logprobs());
  EXPECT_THAT(captured_.text(), StartsWith(R"({"index":0,"token_id":5,"text":"One"})"
                                           "\n"));
}

TEST_F(GenerateTest, SeveralAnswersComeOneAfterTheOther) {
  std::vector<v1::GenerateResponse> events = server_.events;
  for (v1::GenerateResponse& event : events) {
    if (event.has_finish()) {
      event.mutable_finish()->set_sequence_index(1);
    } else {
      event.mutable_token()->set_sequence_index(1);
    }
  }
  server_.events.insert(server_.events.begin(), events.begin(), events.end());
  GANTRY_ASSERT_OK(Run({.prompt = "x", .n = 2}));
  EXPECT_EQ(server_.generate_requests()[0].n(), 2);
  EXPECT_EQ(captured_.text(), "One \"two\".\n\nOne \"two\".");
}

TEST_F(GenerateTest, JsonTellsOfWhichAnswerALineIs) {
  server_.events[0].mutable_token()->set_sequence_index(1);
  server_.events.push_back(server_.events.back());
  GANTRY_ASSERT_OK(Run({.prompt = "x", .n = 2, .json = true}));
  EXPECT_THAT(captured_.text(), StartsWith(R"({"index":0,"token_id":5,"text":"One","logprob":-0.5,)"
                                           R"("sequence_index":1})"));
}

TEST_F(GenerateTest, AnAnswerThatDoesNotFinishIsAnError) {
  EXPECT_THAT(Run({.prompt = "x", .n = 2}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("cut")));
}

TEST_F(GenerateTest, LogprobsAreALineAToken) {
  v1::TopLogprob* top = server_.events[0].mutable_token()->add_top_logprobs();
  top->set_token_id(7);
  top->set_logprob(-2);
  top->set_text("\n");
  GANTRY_ASSERT_OK(Run({.prompt = "x", .top_logprobs = 1}));
  EXPECT_EQ(captured_.text(),
            "  -0.50000        5  \"One\"\n"
            "      -2.00000        7  \"\\n\"\n"
            "  -1.20000        6  \" \\\"two\\\"\"\n"
            "length\n");
}

TEST_F(GenerateTest, ErrorInMidStreamLeavesTheTextBeforeIt) {
  server_.events.pop_back();
  server_.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "worker w1 is lost");
  EXPECT_THAT(Run({.prompt = "x"}), StatusIs(absl::StatusCode::kUnavailable, "worker w1 is lost"));
  EXPECT_EQ(captured_.text(), "One \"two\"");
}

TEST_F(GenerateTest, AStreamThatBreaksGoesOnAndSaysSo) {
  server_.generate = [this](grpc::ServerContext*, const v1::GenerateRequest& request,
                            grpc::ServerWriter<v1::GenerateResponse>* writer) {
    const size_t begin = request.resume_from();
    const bool breaks = begin == 0;
    for (size_t i = begin; i < (breaks ? 1 : server_.events.size()); ++i) {
      writer->Write(server_.events[i]);
    }
    return breaks ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "worker w1 is lost")
                  : grpc::Status::OK;
  };
  GANTRY_ASSERT_OK(Run({.prompt = "x", .retry_for = absl::Minutes(1)}));
  EXPECT_EQ(captured_.text(), "One \"two\".");
  EXPECT_EQ(errors_.text(),
            "generate: UNAVAILABLE: worker w1 is lost; asking again for 1m (--retry_for)\n");
}

TEST_F(GenerateTest, ClosedOutputCancelsTheCall) {
  signal(SIGPIPE, SIG_IGN);
  server_.generate = [](grpc::ServerContext* context, const v1::GenerateRequest&,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) {
    while (!context->IsCancelled() && writer->Write(TokenEvent(0, 5, "text"))) {
    }
    return grpc::Status::OK;
  };
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  Output output(ends[1]);
  EXPECT_THAT(
      RunGenerate({.prompt = "x"}, server_.MakeClient(), nullptr, &output, errors_.output()),
      StatusIs(absl::StatusCode::kCancelled, _));
  EXPECT_TRUE(output.closed());
  close(ends[1]);
}

TEST_F(GenerateTest, DeadlineIsNamed) {
  // Shared, because the handler may begin only after the client has given up and the test is over.
  const auto ended = std::make_shared<absl::Notification>();
  server_.generate = [ended](grpc::ServerContext*, const v1::GenerateRequest&,
                             grpc::ServerWriter<v1::GenerateResponse>*) {
    ended->WaitForNotification();
    return grpc::Status::OK;
  };
  EXPECT_THAT(Run({.prompt = "x", .timeout = absl::Milliseconds(1)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("--timeout 1ms")));
  ended->Notify();
}

TEST_F(GenerateTest, ScoreOfTokens) {
  v1::ScoredToken* first = server_.score.add_tokens();
  first->set_token_id(5);
  v1::ScoredToken* second = server_.score.add_tokens();
  second->set_token_id(9);
  second->set_logprob(-1.25f);
  v1::TopLogprob* top = second->add_top_logprobs();
  top->set_token_id(4);
  top->set_logprob(-0.5f);
  top->set_text("x");
  const GenerateOptions options{.action = Action::kScore, .token_ids = {{5, 9}}, .top_logprobs = 1};
  GANTRY_ASSERT_OK(Run(options));
  EXPECT_EQ(captured_.text(), R"({"token_ids":[5,9],"logprobs":[null,-1.25],)"
                              R"("top":[null,[{"token_id":4,"logprob":-0.5,"text":"x"}]]})"
                              "\n");
  EXPECT_THAT(server_.score_request().token_ids().ids(), ElementsAre(5, 9));
  EXPECT_EQ(server_.score_request().top_logprobs(), 1);
}

TEST_F(GenerateTest, ScoreOfTextScoresTheTokensThatGenerateWouldBeGiven) {
  server_.tokens.add_token_ids(1);
  server_.tokens.add_token_ids(42);
  GANTRY_ASSERT_OK(Run({.action = Action::kScore, .prompt = "text"}));
  EXPECT_TRUE(server_.tokenize_request().add_special_tokens());
  EXPECT_THAT(server_.score_request().token_ids().ids(), ElementsAre(1, 42));
  EXPECT_EQ(captured_.text(), R"({"token_ids":[],"logprobs":[]})"
                              "\n");
}

TEST_F(GenerateTest, TokenizeAndBack) {
  server_.tokens.add_token_ids(4);
  server_.tokens.add_token_ids(2);
  server_.tokens.set_text("hi");
  server_.text.set_text("hi");
  GANTRY_ASSERT_OK(Run({.action = Action::kTokenize, .prompt = "hi"}));
  EXPECT_FALSE(server_.tokenize_request().add_special_tokens());
  GANTRY_ASSERT_OK(Run({.action = Action::kTokenize, .prompt = "hi", .json = true}));
  GANTRY_ASSERT_OK(Run({.action = Action::kDetokenize, .token_ids = {{4, 2}}}));
  EXPECT_THAT(server_.detokenize_request().token_ids(), ElementsAre(4, 2));
  EXPECT_EQ(captured_.text(), "4,2\n{\"token_ids\":[4,2],\"text\":\"hi\"}\nhi");
}

TEST_F(GenerateTest, StatusAsTextAndJson) {
  server_.status.set_model("demo");
  server_.status.set_reason("waiting for 2 workers");
  GANTRY_ASSERT_OK(Run({.action = Action::kStatus}));
  EXPECT_THAT(captured_.text(), StartsWith("not ready: waiting for 2 workers\nmodel     demo\n"));
  GANTRY_ASSERT_OK(Run({.action = Action::kStatus, .json = true}));
  EXPECT_THAT(captured_.text(), HasSubstr("\n{\"ready\":false,"));
}

}  // namespace
}  // namespace gantry
