#include "coordinator/trace_log.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TraceLogTest : public ::testing::Test {
 protected:
  RequestRecord Arrive(uint64_t number, const std::string& id, const std::string& client = "") {
    RequestRecord record;
    record.number = number;
    record.id = id;
    record.client = client;
    record.prompt_tokens = 5;
    record.arrived = clock_.Now();
    log_.OnChange(record);
    return record;
  }
  void Start(RequestRecord* record) {
    record->started = clock_.Now();
    log_.OnChange(*record);
  }
  // A step that is sent now and takes 4 s: in each of two stages 0.5 s of waiting and 1 s of
  // computing.
  void Step(std::vector<DoneStep::Part> parts) {
    DoneStep step;
    step.sent = clock_.Now();
    clock_.Advance(absl::Seconds(4));
    step.done = clock_.Now();
    for (const DoneStep::Part& part : parts) step.tokens += part.tokens;
    step.parts = std::move(parts);
    step.stages = {{0.5, 1}, {0.5, 1}};
    log_.OnStepDone(step);
  }
  void Token(RequestRecord* record) {
    record->first_token = std::min(record->first_token, clock_.Now());
    record->last_token = clock_.Now();
    ++record->completion_tokens;
    log_.OnToken(*record, std::nullopt);
  }
  void End(RequestRecord* record, const absl::Status& status = absl::OkStatus()) {
    record->ended = clock_.Now();
    record->reason = v1::FINISH_REASON_STOP;
    log_.OnEnd(*record, status);
  }
  v1::RequestTrace Find(const std::string& id) {
    v1::GetTracesRequest request;
    request.set_request_id(id);
    const auto found = log_.Get(std::nullopt, request);
    EXPECT_EQ(found.status(), absl::OkStatus());
    return found.ok() ? found->traces(0) : v1::RequestTrace();
  }
  std::vector<std::string> Latest(const TraceLog::Viewer& viewer, int limit = 0) {
    v1::GetTracesRequest request;
    request.set_limit(limit);
    std::vector<std::string> ids;
    const auto found = log_.Get(viewer, request);
    for (const v1::RequestTrace& trace : found->traces()) {
      EXPECT_EQ(trace.steps_size(), 0);
      ids.push_back(trace.request_id());
    }
    return ids;
  }

  FakeClock clock_;
  TraceLog log_{&clock_};
};

TEST_F(TraceLogTest, SaysWhereTheTimeWent) {
  RequestRecord record = Arrive(1, "a", "me");
  clock_.Advance(absl::Seconds(3));
  Start(&record);
  Step({{1, 5}, {2, 3}});
  Token(&record);
  clock_.Advance(absl::Seconds(2));  // its turn has not come
  Step({{1, 1}});
  Token(&record);
  Step({{2, 1}});
  Step({{1, 1}});
  Token(&record);
  End(&record);
  const v1::RequestTrace trace = Find("a");
  EXPECT_EQ(trace.client(), "me");
  EXPECT_NEAR(trace.arrived(), absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()), 60);
  EXPECT_EQ(trace.finished_reason(), "stop");
  EXPECT_EQ(trace.prompt_tokens(), 5);
  EXPECT_EQ(trace.completion_tokens(), 3);
  EXPECT_EQ(trace.queue_s(), 3);
  EXPECT_EQ(trace.prefill().seconds(), 4);
  EXPECT_EQ(trace.prefill().idle_s(), 0);
  EXPECT_EQ(trace.prefill().steps(), 1);
  EXPECT_EQ(trace.decode().seconds(), 14);
  EXPECT_EQ(trace.decode().idle_s(), 6);
  EXPECT_EQ(trace.decode().steps(), 2);
  EXPECT_EQ(trace.decode().steps_s(), 8);
  EXPECT_EQ(trace.decode().transfer_s(), 2);
  ASSERT_EQ(trace.decode().stages_size(), 2);
  EXPECT_EQ(trace.decode().stages(1).queued_s(), 1);
  EXPECT_EQ(trace.decode().stages(1).computed_s(), 2);
  ASSERT_EQ(trace.steps_size(), 3);
  EXPECT_EQ(trace.steps(0).sent_s(), 3);
  EXPECT_EQ(trace.steps(0).seconds(), 4);
  EXPECT_EQ(trace.steps(0).tokens(), 5);
  EXPECT_EQ(trace.steps(0).step_tokens(), 8);
  EXPECT_EQ(trace.steps(0).transfer_s(), 1);
  EXPECT_EQ(trace.steps(2).sent_s(), 17);
}

// Steps that were sent side by side take more than the time that passed.
TEST_F(TraceLogTest, StepsMayOverlap) {
  RequestRecord record = Arrive(1, "a");
  Start(&record);
  DoneStep step;
  step.parts = {{1, 2}};
  step.tokens = 2;
  step.sent = clock_.Now();
  for (const int done : {4, 5}) {
    step.done = step.sent + absl::Seconds(done);
    log_.OnStepDone(step);
  }
  clock_.Advance(absl::Seconds(5));
  Token(&record);
  EXPECT_EQ(Find("a").prefill().seconds(), 5);
  EXPECT_EQ(Find("a").prefill().steps_s(), 9);
  EXPECT_EQ(Find("a").prefill().idle_s(), 0);
  EXPECT_EQ(Find("a").prefill().transfer_s(), 9) << "no stage has told";
}

TEST_F(TraceLogTest, SeveralAnswersAreOneRequest) {
  RequestRecord record = Arrive(1, "a");
  Start(&record);
  Step({{1, 3}, {1, 2}, {7, 1}});
  Step({{1, 1}, {7, 1}, {1, 1}});
  const v1::RequestTrace trace = Find("a");
  ASSERT_EQ(trace.steps_size(), 2);
  EXPECT_EQ(trace.steps(0).tokens(), 5);
  EXPECT_EQ(trace.steps(0).step_tokens(), 6);
  EXPECT_EQ(trace.prefill().steps(), 2);
}

TEST_F(TraceLogTest, KnowsThoseThatRunAndThoseThatFailed) {
  RequestRecord record = Arrive(1, "a");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Find("a").finished_reason(), "");
  EXPECT_EQ(Find("a").queue_s(), 1);
  Start(&record);
  record.preemptions = 2;
  record.recoveries = 1;
  log_.OnChange(record);
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Find("a").prefill().seconds(), 2);
  End(&record, absl::UnavailableError("worker \xff was lost"));
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(Find("a").finished_reason(), "error");
  EXPECT_THAT(Find("a").error(), HasSubstr("was lost"));
  RequestRecord other = Arrive(2, "b");
  End(&other, absl::InternalError(std::string(1 << 20, 'x')));
  EXPECT_LT(Find("b").error().size(), 1000);
  EXPECT_EQ(Find("a").prefill().seconds(), 2);
  EXPECT_EQ(Find("a").decode().seconds(), 0);
  EXPECT_EQ(Find("a").preemptions(), 2);
  EXPECT_EQ(Find("a").recoveries(), 1);
}

TEST_F(TraceLogTest, ClientsSeeTheirOwn) {
  Arrive(1, "a", "me");
  Arrive(2, "b", "you");
  RequestRecord mine = Arrive(3, "c", "me");
  End(&mine);
  EXPECT_THAT(Latest("me"), ElementsAre("c", "a"));
  EXPECT_THAT(Latest("you"), ElementsAre("b"));
  EXPECT_THAT(Latest(""), ElementsAre());
  EXPECT_THAT(Latest(std::nullopt), ElementsAre("c", "b", "a"));
  EXPECT_THAT(Latest(std::nullopt, 2), ElementsAre("c", "b"));
  v1::GetTracesRequest request;
  request.set_request_id("b");
  EXPECT_THAT(log_.Get("me", request),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("request_id")));
  request.set_limit(-1);
  EXPECT_THAT(log_.Get("me", request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("limit")));
}

TEST_F(TraceLogTest, KeepsTheFirstAndTheLatestSteps) {
  RequestRecord record = Arrive(1, "a");
  Start(&record);
  for (int i = 0; i < 2000; ++i) Step({{1, i}});
  const v1::RequestTrace trace = Find("a");
  EXPECT_EQ(trace.prefill().steps(), 2000);
  EXPECT_EQ(trace.steps_size() + trace.steps_left_out(), 2000);
  EXPECT_LE(trace.steps_size() * sizeof(DoneStep), TraceLog::kMaxStepBytes);
  const int gap = trace.steps_before_gap();
  EXPECT_GE(gap, TraceLog::kMinSteps / 2);
  EXPECT_EQ(trace.steps(gap - 1).tokens(), gap - 1);
  EXPECT_EQ(trace.steps(gap).tokens(), gap + trace.steps_left_out());
  EXPECT_EQ(trace.steps(trace.steps_size() - 1).tokens(), 1999);
}

TEST_F(TraceLogTest, KeepsTheLastThatEnded) {
  RequestRecord runs = Arrive(1, "runs");
  for (size_t i = 0; i < TraceLog::kMaxEnded + 10; ++i) {
    RequestRecord record = Arrive(2 + i, "ended");
    End(&record);
  }
  EXPECT_EQ(Latest(std::nullopt, TraceLog::kMaxLimit).size(), TraceLog::kMaxEnded + 1);
  EXPECT_EQ(Find("runs").finished_reason(), "");
  v1::GetTracesRequest request;
  request.set_request_id("ended");
  EXPECT_EQ(log_.Get(std::nullopt, request)->traces_size(), TraceLog::kMaxFound);
}

}  // namespace
}  // namespace gantry
