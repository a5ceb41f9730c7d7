#include "client/bench_flags.h"

#include <algorithm>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

ABSL_FLAG(int32_t, prompt_tokens, 512, "Random tokens in each prompt.");
ABSL_FLAG(int32_t, max_new_tokens, 128, "Tokens of each answer, at most with --noignore_eos.");
ABSL_FLAG(bool, ignore_eos, true, "Go on after end tokens, so that every answer is as long.");
ABSL_FLAG(std::string, concurrency, "1,8,32",
          "Numbers of requests under way at a time, each measured for itself.");
ABSL_FLAG(int32_t, requests, 0,
          "Requests at each level; 0 takes the larger of 8 and four times the concurrency.");
ABSL_FLAG(int32_t, warmup, 1, "Requests before each level that do not count.");
ABSL_FLAG(uint64_t, seed, 1, "The same seed gives the same prompts.");
ABSL_FLAG(double, temperature, 0, "As in generate; 0 takes the most probable token.");
ABSL_FLAG(bool, json, false, "Print JSON instead of tables.");
ABSL_FLAG(std::string, output, "", "Write the JSON to this file, too.");

namespace gantry {
namespace {

constexpr int kMaxConcurrency = 1024;
constexpr int kMaxRequests = 1000000;
constexpr int kMaxTokens = 1 << 24;
// Nearly every vocabulary is larger.
constexpr int64_t kFallbackVocabSize = 1000;

absl::Status CheckRange(absl::string_view flag, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": expected ", min, " to ", max, ", found ", value));
}

absl::StatusOr<std::vector<int>> ParseConcurrency(absl::string_view text) {
  std::vector<int> levels;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    int level;
    if (!absl::SimpleAtoi(part, &level) || level < 1 || level > kMaxConcurrency) {
      return absl::InvalidArgumentError(absl::StrCat("--concurrency: expected numbers from 1 to ",
                                                     kMaxConcurrency, " as in 1,8,32, found \"",
                                                     part, "\""));
    }
    levels.push_back(level);
  }
  return levels;
}

}  // namespace

const char kBenchUsage[] =
    R"(Loads a Gantry coordinator with Generate requests and prints how fast it answers.

Usage: bench [--server HOST:PORT] [flags]

  bench --prompt_tokens 512 --max_new_tokens 128 --concurrency 1,8,32
  bench --concurrency 1 --requests 5 --json
  bench --server gpu1:7070 --tls_cert client.crt --tls_key client.key --tls_ca ca.crt --output r.json

Each level keeps N requests under way; a stream sends its next request when its last one has ended.
Prompts are random token ids, all different. Times are taken by this program's monotonic clock.

  TTFT  time to first token: from sending the request to its first token
  ITL   inter-token latency: every gap between two tokens of a request
  TPOT  time per output token: (last token - first token) / (tokens - 1), one for each request
  E2E   end-to-end latency: from sending the request to the end of its stream

OUTPUT TOK/S counts all streams together, TOK/S A STREAM is the median of 1 / TPOT, PREFILL TOK/S is
prompt tokens over the median TTFT (one stream only).

Output of --json: {"server","model","version","device_map","prompt_tokens","max_new_tokens","seed",
"levels":[...]}, each level {"concurrency","requests","completed","failed","error","duration_s",
"prompt_tokens","output_tokens","requests_per_s","output_tokens_per_s","prompt_tokens_per_s",
"prefill_tokens_per_s","time_to_first_token_ms","inter_token_latency_ms","time_per_output_token_ms",
"e2e_latency_ms","stream_tokens_per_s"}, the last five {"mean","min","p50","p90","p99","max"}.

Exit codes: 0 done, 1 a request failed, 2 wrong usage, 5 cannot reach the server.)";

absl::StatusOr<BenchOptions> BenchOptionsFromFlags() {
  BenchOptions options;
  options.load.prompt_tokens = absl::GetFlag(FLAGS_prompt_tokens);
  options.load.max_new_tokens = absl::GetFlag(FLAGS_max_new_tokens);
  options.load.ignore_eos = absl::GetFlag(FLAGS_ignore_eos);
  options.load.seed = absl::GetFlag(FLAGS_seed);
  options.load.temperature = absl::GetFlag(FLAGS_temperature);
  options.requests = absl::GetFlag(FLAGS_requests);
  options.warmup = absl::GetFlag(FLAGS_warmup);
  options.json = absl::GetFlag(FLAGS_json);
  options.output = absl::GetFlag(FLAGS_output);
  GANTRY_RETURN_IF_ERROR(CheckRange("--prompt_tokens", options.load.prompt_tokens, 1, kMaxTokens));
  GANTRY_RETURN_IF_ERROR(
      CheckRange("--max_new_tokens", options.load.max_new_tokens, 1, kMaxTokens));
  GANTRY_RETURN_IF_ERROR(CheckRange("--requests", options.requests, 0, kMaxRequests));
  GANTRY_RETURN_IF_ERROR(CheckRange("--warmup", options.warmup, 0, kMaxRequests));
  GANTRY_ASSIGN_OR_RETURN(options.concurrency, ParseConcurrency(absl::GetFlag(FLAGS_concurrency)));
  return options;
}

absl::Status FitToServer(const v1::GetStatusResponse& status, BenchOptions* options) {
  options->load.vocab_size = status.vocab_size() > 0 ? status.vocab_size() : kFallbackVocabSize;
  const int64_t tokens =
      static_cast<int64_t>(options->load.prompt_tokens) + options->load.max_new_tokens;
  if (status.context() > 0 && tokens > status.context()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--prompt_tokens and --max_new_tokens together are ", tokens,
                     "; the context of ", status.model(), " is ", status.context()));
  }
  return absl::OkStatus();
}

LoadOptions LevelOptions(const BenchOptions& options, int concurrency) {
  LoadOptions load = options.load;
  load.concurrency = concurrency;
  load.requests = options.requests > 0 ? options.requests : std::max(8, 4 * concurrency);
  // Prompts of one level are not those of another: a server might remember them.
  load.seed += static_cast<uint64_t>(concurrency) << 32;
  return load;
}

}  // namespace gantry
