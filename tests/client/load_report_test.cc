#include "client/load_report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

RequestTimes Request(std::initializer_list<int> token_ms, int end_ms) {
  RequestTimes times;
  for (int ms : token_ms) times.tokens.push_back(absl::Milliseconds(ms));
  times.end = absl::Milliseconds(end_ms);
  times.prompt_tokens = 50;
  return times;
}

LoadResult TwoGoodOneBad() {
  LoadResult result;
  result.requests = {Request({100, 110, 130}, 131), Request({200, 220, 240}, 242), {}};
  result.requests[2].status = absl::UnavailableError("worker w1 is lost");
  result.requests[2].tokens = {absl::Seconds(99)};
  result.duration = absl::Milliseconds(500);
  return result;
}

TEST(LoadReportTest, Definitions) {
  const LoadReport report = MakeLoadReport({.concurrency = 1}, TwoGoodOneBad());
  EXPECT_EQ(report.requests, 3);
  EXPECT_EQ(report.completed, 2);
  EXPECT_EQ(report.failed, 1);
  EXPECT_EQ(report.error, absl::UnavailableError("worker w1 is lost"));
  EXPECT_EQ(report.prompt_tokens, 100);
  EXPECT_EQ(report.output_tokens, 6);
  EXPECT_DOUBLE_EQ(report.requests_per_s, 4);
  EXPECT_DOUBLE_EQ(report.output_tokens_per_s, 12);
  EXPECT_DOUBLE_EQ(report.prompt_tokens_per_s, 200);
  EXPECT_DOUBLE_EQ(report.time_to_first_token_ms.p50, 150);
  EXPECT_DOUBLE_EQ(report.prefill_tokens_per_s, 50 / 0.150);
  EXPECT_DOUBLE_EQ(report.inter_token_latency_ms.mean, 17.5);
  EXPECT_DOUBLE_EQ(report.inter_token_latency_ms.max, 20);
  EXPECT_DOUBLE_EQ(report.time_per_output_token_ms.min, 15);
  EXPECT_DOUBLE_EQ(report.time_per_output_token_ms.max, 20);
  EXPECT_DOUBLE_EQ(report.stream_tokens_per_s.min, 50);
  EXPECT_DOUBLE_EQ(report.e2e_latency_ms.max, 242);
}

TEST(LoadReportTest, PrefillRateIsOfOneStreamOnly) {
  const LoadReport report = MakeLoadReport({.concurrency = 8}, TwoGoodOneBad());
  EXPECT_EQ(report.prefill_tokens_per_s, 0);
  EXPECT_TRUE(LoadReportJson(report)["prefill_tokens_per_s"].is_null());
}

TEST(LoadReportTest, NothingCompleted) {
  LoadResult result = TwoGoodOneBad();
  result.requests.erase(result.requests.begin(), result.requests.begin() + 2);
  const LoadReport report = MakeLoadReport({.concurrency = 1}, result);
  EXPECT_EQ(report.completed, 0);
  EXPECT_EQ(report.time_to_first_token_ms.p50, 0);
  EXPECT_EQ(report.prefill_tokens_per_s, 0);
}

TEST(LoadReportTest, OneTokenHasNoGaps) {
  LoadResult result;
  result.requests = {Request({100}, 101)};
  result.duration = absl::Milliseconds(101);
  const LoadReport report = MakeLoadReport({.concurrency = 1}, result);
  EXPECT_EQ(report.inter_token_latency_ms.max, 0);
  EXPECT_EQ(report.stream_tokens_per_s.max, 0);
  EXPECT_GT(report.prefill_tokens_per_s, 0);
}

TEST(LoadReportTest, JsonAndTables) {
  const LoadReport report = MakeLoadReport({.concurrency = 1}, TwoGoodOneBad());
  const Json json = LoadReportJson(report);
  EXPECT_EQ(json["concurrency"], 1);
  EXPECT_EQ(json["error"], "UNAVAILABLE: worker w1 is lost");
  EXPECT_EQ(json["time_to_first_token_ms"]["p50"], 150);
  EXPECT_EQ(json["stream_tokens_per_s"]["min"], 50);
  const std::string tables = LoadReportTables({report, report});
  EXPECT_THAT(tables, HasSubstr("time to first token (TTFT)    150.000  150.000  190.000"));
  EXPECT_THAT(tables, HasSubstr("      1          2       1     0.50        4.00         12.00"));
}

}  // namespace
}  // namespace gantry
