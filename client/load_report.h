#ifndef GANTRY_CLIENT_LOAD_REPORT_H_
#define GANTRY_CLIENT_LOAD_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/json.h"
#include "client/load.h"
#include "client/stats.h"

namespace gantry {

// One level of load in figures, as GuideLLM and vLLM's benchmark define them. Only requests that
// completed count, but for `failed` and `error`. Times are of the client.
struct LoadReport {
  int concurrency = 0;
  int requests = 0;
  int completed = 0;
  int failed = 0;
  absl::Status error;  // the first that failed
  double duration_s = 0;
  int64_t prompt_tokens = 0;  // of all requests together
  int64_t output_tokens = 0;

  double requests_per_s = 0;
  double output_tokens_per_s = 0;  // of all streams together
  double prompt_tokens_per_s = 0;
  // Prompt tokens over the median time to first token; of one stream alone, else 0.
  double prefill_tokens_per_s = 0;

  Summary time_to_first_token_ms;    // TTFT
  Summary inter_token_latency_ms;    // ITL: every gap between two tokens
  Summary time_per_output_token_ms;  // TPOT: a request's mean gap
  Summary e2e_latency_ms;            // from sent to ended
  Summary stream_tokens_per_s;       // 1 / TPOT
};

LoadReport MakeLoadReport(const LoadOptions& options, const LoadResult& result);

Json LoadReportJson(const LoadReport& report);
// A heading and a row of totals for each report, then a row for each latency of each.
std::string LoadReportTables(const std::vector<LoadReport>& reports);

}  // namespace gantry

#endif  // GANTRY_CLIENT_LOAD_REPORT_H_
