#include "client/load_report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/table.h"

namespace gantry {
namespace {

Json SummaryJson(const Summary& summary) {
  return Json{{"mean", summary.mean}, {"min", summary.min}, {"p50", summary.p50},
              {"p90", summary.p90},   {"p99", summary.p99}, {"max", summary.max}};
}

std::string Rate(double value) { return value > 0 ? absl::StrFormat("%.2f", value) : "-"; }

void AddSummary(const LoadReport& report, const std::string& name, const Summary& summary,
                Table* table) {
  table->AddRow({absl::StrCat(report.concurrency), name, absl::StrFormat("%.3f", summary.mean),
                 absl::StrFormat("%.3f", summary.p50), absl::StrFormat("%.3f", summary.p90),
                 absl::StrFormat("%.3f", summary.p99), absl::StrFormat("%.3f", summary.max)});
}

}  // namespace

LoadReport MakeLoadReport(const LoadOptions& options, const LoadResult& result) {
  LoadReport report;
  report.concurrency = options.concurrency;
  report.requests = static_cast<int>(result.requests.size());
  report.duration_s = absl::ToDoubleSeconds(result.duration);
  std::vector<double> first, gaps, per_token, whole, rates;
  for (const RequestTimes& request : result.requests) {
    if (!request.status.ok()) {
      if (report.failed++ == 0) report.error = request.status;
      continue;
    }
    ++report.completed;
    report.prompt_tokens += request.prompt_tokens;
    report.output_tokens += request.tokens.size();
    whole.push_back(absl::ToDoubleMilliseconds(request.end));
    if (request.tokens.empty()) continue;
    first.push_back(absl::ToDoubleMilliseconds(request.tokens.front()));
    for (size_t i = 1; i < request.tokens.size(); ++i) {
      gaps.push_back(absl::ToDoubleMilliseconds(request.tokens[i] - request.tokens[i - 1]));
    }
    const double decode_ms =
        absl::ToDoubleMilliseconds(request.tokens.back() - request.tokens.front());
    if (request.tokens.size() > 1 && decode_ms > 0) {
      per_token.push_back(decode_ms / (request.tokens.size() - 1));
      rates.push_back(1000 / per_token.back());
    }
  }
  report.time_to_first_token_ms = Summarize(std::move(first));
  report.inter_token_latency_ms = Summarize(std::move(gaps));
  report.time_per_output_token_ms = Summarize(std::move(per_token));
  report.e2e_latency_ms = Summarize(std::move(whole));
  report.stream_tokens_per_s = Summarize(std::move(rates));
  if (report.duration_s > 0) {
    report.requests_per_s = report.completed / report.duration_s;
    report.output_tokens_per_s = report.output_tokens / report.duration_s;
    report.prompt_tokens_per_s = report.prompt_tokens / report.duration_s;
  }
  if (options.concurrency == 1 && report.time_to_first_token_ms.p50 > 0) {
    const double tokens = static_cast<double>(report.prompt_tokens) / report.completed;
    report.prefill_tokens_per_s = 1000 * tokens / report.time_to_first_token_ms.p50;
  }
  return report;
}

Json LoadReportJson(const LoadReport& report) {
  Json json{{"concurrency", report.concurrency},
            {"requests", report.requests},
            {"completed", report.completed},
            {"failed", report.failed},
            {"error", report.error.ok() ? Json(nullptr) : Json(report.error.ToString())},
            {"duration_s", report.duration_s},
            {"prompt_tokens", report.prompt_tokens},
            {"output_tokens", report.output_tokens},
            {"requests_per_s", report.requests_per_s},
            {"output_tokens_per_s", report.output_tokens_per_s},
            {"prompt_tokens_per_s", report.prompt_tokens_per_s},
            {"prefill_tokens_per_s", nullptr},
            {"time_to_first_token_ms", SummaryJson(report.time_to_first_token_ms)},
            {"inter_token_latency_ms", SummaryJson(report.inter_token_latency_ms)},
            {"time_per_output_token_ms", SummaryJson(report.time_per_output_token_ms)},
            {"e2e_latency_ms", SummaryJson(report.e2e_latency_ms)},
            {"stream_tokens_per_s", SummaryJson(report.stream_tokens_per_s)}};
  if (report.prefill_tokens_per_s > 0) json["prefill_tokens_per_s"] = report.prefill_tokens_per_s;
  return json;
}

std::string LoadReportTables(const std::vector<LoadReport>& reports) {
  constexpr Table::Align kRight = Table::Align::kRight;
  Table totals({{"STREAMS", kRight},
                {"COMPLETED", kRight},
                {"FAILED", kRight},
                {"SECONDS", kRight},
                {"REQUESTS/S", kRight},
                {"OUTPUT TOK/S", kRight},
                {"TOK/S A STREAM", kRight},
                {"PROMPT TOK/S", kRight},
                {"PREFILL TOK/S", kRight}});
  Table latencies({{"STREAMS", kRight},
                   {"MS"},
                   {"MEAN", kRight},
                   {"P50", kRight},
                   {"P90", kRight},
                   {"P99", kRight},
                   {"MAX", kRight}});
  for (const LoadReport& report : reports) {
    totals.AddRow({absl::StrCat(report.concurrency), absl::StrCat(report.completed),
                   absl::StrCat(report.failed), absl::StrFormat("%.2f", report.duration_s),
                   Rate(report.requests_per_s), Rate(report.output_tokens_per_s),
                   Rate(report.stream_tokens_per_s.p50), Rate(report.prompt_tokens_per_s),
                   Rate(report.prefill_tokens_per_s)});
    AddSummary(report, "time to first token (TTFT)", report.time_to_first_token_ms, &latencies);
    AddSummary(report, "inter-token latency (ITL)", report.inter_token_latency_ms, &latencies);
    AddSummary(report, "time per output token (TPOT)", report.time_per_output_token_ms, &latencies);
    AddSummary(report, "end-to-end latency (E2E)", report.e2e_latency_ms, &latencies);
  }
  return absl::StrCat(totals.ToString(), "\n", latencies.ToString());
}

}  // namespace gantry
