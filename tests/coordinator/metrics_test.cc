#include "coordinator/metrics.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Lines(const Metrics& metrics) {
  return absl::StrSplit(metrics.Text({}), '\n');
}

RequestRecord Finished(v1::FinishReason reason) {
  RequestRecord record;
  record.reason = reason;
  record.prompt_tokens = 7;
  record.completion_tokens = 20;
  record.arrived = absl::Seconds(100);
  record.started = absl::Seconds(101);
  record.first_token = absl::Seconds(101.25);
  record.last_token = absl::Seconds(105.25);
  record.ended = absl::Seconds(105.5);
  return record;
}

TEST(MetricsTest, RequestsAreCountedByHowTheyEnded) {
  Metrics metrics("a/model", 100);
  EXPECT_THAT(
      Lines(metrics),
      Contains("gantry_request_success_total{model_name=\"a/model\",finished_reason=\"stop\"} 0"))
      << "before the first";
  metrics.OnEnd(Finished(v1::FINISH_REASON_STOP), absl::OkStatus());
  metrics.OnEnd(Finished(v1::FINISH_REASON_STOP), absl::OkStatus());
  metrics.OnEnd(Finished(v1::FINISH_REASON_LENGTH), absl::OkStatus());
  metrics.OnEnd(Finished(v1::FINISH_REASON_UNSPECIFIED), absl::OkStatus());
  metrics.OnEnd({}, absl::CancelledError(""));
  metrics.OnEnd({}, absl::DeadlineExceededError(""));
  metrics.OnEnd({}, absl::UnavailableError(""));
  metrics.OnEnd({}, absl::ResourceExhaustedError(""));  // counted where others are refused
  const std::string ended =
      "gantry_request_success_total{model_name=\"a/model\",finished_reason=\"";
  for (const char* count : {"stop\"} 2", "length\"} 1", "score\"} 1", "abort\"} 2", "error\"} 1"}) {
    EXPECT_THAT(Lines(metrics), Contains(ended + count));
  }
}

TEST(MetricsTest, TimesOfARequestAddUp) {
  Metrics metrics("m", 100);
  metrics.OnEnd(Finished(v1::FINISH_REASON_STOP), absl::OkStatus());
  const std::pair<const char*, const char*> sums[] = {
      {"e2e_request_latency_seconds", "5.25"},    {"request_queue_time_seconds", "1"},
      {"request_inference_time_seconds", "4.25"}, {"request_prefill_time_seconds", "0.25"},
      {"request_decode_time_seconds", "4"},       {"request_prompt_tokens", "7"},
      {"request_generation_tokens", "20"}};
  for (const auto& [name, sum] : sums) {
    EXPECT_THAT(Lines(metrics),
                Contains(std::string("gantry_") + name + "_sum{model_name=\"m\"} " + sum));
    EXPECT_THAT(Lines(metrics),
                Contains(std::string("gantry_") + name + "_count{model_name=\"m\"} 1"));
  }
}

TEST(MetricsTest, ABucketHoldsItsBound) {
  Metrics metrics("m", 100);
  RequestRecord record;
  record.first_token = record.arrived + absl::Milliseconds(20);
  record.completion_tokens = 1;
  metrics.OnToken(record, std::nullopt);
  record.completion_tokens = 2;
  metrics.OnToken(record, std::nullopt);  // the first of another answer
  metrics.OnToken(record, absl::Seconds(1000));
  const std::string first = "gantry_time_to_first_token_seconds_bucket{model_name=\"m\",le=\"";
  EXPECT_THAT(Lines(metrics), AllOf(Contains(first + "0.01\"} 0"), Contains(first + "0.02\"} 1"),
                                    Contains(first + "2560\"} 1"), Contains(first + "+Inf\"} 1")));
  const std::string next = "gantry_inter_token_latency_seconds_bucket{model_name=\"m\",le=\"";
  EXPECT_THAT(Lines(metrics), AllOf(Contains(next + "80\"} 0"), Contains(next + "+Inf\"} 1")));
}

// 1, 2, 5, 10, ... as far as the context goes.
TEST(MetricsTest, BucketsOfTokensEndWithTheContext) {
  const std::string bucket = "gantry_request_prompt_tokens_bucket{model_name=\"m\",le=\"";
  const std::string text = Metrics("m", 500).Text({});
  std::string buckets;
  for (const char* bound : {"1", "2", "5", "10", "20", "50", "100", "200", "500", "+Inf"}) {
    buckets += bucket + bound + "\"} 0\n";
  }
  EXPECT_THAT(text, HasSubstr(buckets));
  EXPECT_THAT(Metrics("m", 1).Text({}), HasSubstr(bucket + "1\"} 0\n" + bucket + "+Inf\"} 0\n"));
}

TEST(MetricsTest, StepsAreCountedAndTimed) {
  Metrics metrics("m", 100);
  metrics.OnStepSent(0);  // tells the stages only what to forget
  metrics.OnStepSent(33);
  DoneStep step;
  step.busy = absl::Milliseconds(500);
  metrics.OnStepDone(step);
  EXPECT_THAT(Lines(metrics),
              AllOf(Contains("gantry_iteration_tokens_total_sum{model_name=\"m\"} 33"),
                    Contains("gantry_iteration_tokens_total_count{model_name=\"m\"} 1"),
                    Contains("gantry_step_seconds_sum{model_name=\"m\"} 0.5")));
}

TEST(MetricsTest, StagesAreTimedOnceTheyTell) {
  Metrics metrics("m", 100);
  DoneStep step;
  step.done = absl::Seconds(4);
  metrics.OnStepDone(step);
  EXPECT_THAT(metrics.Text({}), Not(HasSubstr("gantry_stage_queue_seconds")));
  step.stages = {{0.5, 1}, {0.25, 2}};
  metrics.OnStepDone(step);
  step.stages.resize(1);  // of another placement
  metrics.OnStepDone(step);
  EXPECT_THAT(Lines(metrics),
              AllOf(Contains("gantry_stage_queue_seconds_sum{model_name=\"m\",stage=\"0\"} 1"),
                    Contains("gantry_stage_queue_seconds_count{model_name=\"m\",stage=\"1\"} 1"),
                    Contains("gantry_stage_compute_seconds_sum{model_name=\"m\",stage=\"0\"} 2"),
                    Contains("gantry_stage_compute_seconds_sum{model_name=\"m\",stage=\"1\"} 2"),
                    Contains("gantry_step_transfer_seconds_sum{model_name=\"m\"} 2.75")));
}

TEST(MetricsTest, NamesFromOutsideAreEscaped) {
  v1::GetStatusResponse status;
  status.set_model("a\"b\\c\nd");
  EXPECT_THAT(Metrics("x\"y", 10).Text(status),
              AllOf(HasSubstr("gantry_num_requests_running{model_name=\"a\\\"b\\\\c\\nd\"} 0"),
                    HasSubstr("{model_name=\"x\\\"y\"}")));
}

}  // namespace
}  // namespace gantry
