#include "client/generate_flags.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace gantry {

// A text that may also be given as "", which std::optional<std::string> takes for "not given".
struct TextFlag {
  std::optional<std::string> text;
};

bool AbslParseFlag(absl::string_view text, TextFlag* flag, std::string*) {
  flag->text = std::string(text);
  return true;
}
std::string AbslUnparseFlag(const TextFlag& flag) { return flag.text.value_or(""); }

}  // namespace gantry

ABSL_FLAG(gantry::TextFlag, chat, {},
          "Ask this as a user; the model's chat template makes the prompt. - reads it from stdin.");
ABSL_FLAG(gantry::TextFlag, prompt, {},
          "Continue this text. No chat template. - reads it from stdin.");
ABSL_FLAG(gantry::TextFlag, token_ids, {}, "Continue these tokens, e.g. 1,2,3.");
ABSL_FLAG(gantry::TextFlag, system, {}, "System message before --chat or --interactive.");
ABSL_FLAG(bool, interactive, false,
          "Chat on the terminal. Ctrl-C stops the answer, Ctrl-D leaves, /reset forgets what was "
          "said.");
ABSL_FLAG(bool, score, false,
          "Print the log-probability of each token of the input, as JSON, and generate nothing.");
ABSL_FLAG(bool, tokenize, false, "Print the token ids of --prompt or --chat.");
ABSL_FLAG(bool, detokenize, false, "Print the text of --token_ids.");
ABSL_FLAG(bool, status, false,
          "Print whether the server is ready, its workers, what each holds with predicted and "
          "measured memory, and its counters.");

ABSL_FLAG(std::optional<bool>, add_special_tokens, std::nullopt,
          "Put the model's special tokens (such as <s>) around --prompt. Unless given: yes, but no "
          "with --tokenize.");
ABSL_FLAG(bool, skip_special_tokens, false, "Leave special tokens out of --detokenize.");
ABSL_FLAG(std::optional<int32_t>, max_new_tokens, std::nullopt,
          "At most this many tokens. Unless given: what the context leaves room for.");
ABSL_FLAG(std::optional<int32_t>, min_new_tokens, std::nullopt,
          "Do not end before this many tokens, neither at an end token nor at --stop.");
ABSL_FLAG(bool, ignore_eos, false,
          "Go on after end tokens, up to --max_new_tokens or what the context leaves room for.");
ABSL_FLAG(std::optional<float>, temperature, std::nullopt,
          "0 always takes the most probable token; above that, higher is more random. This and "
          "the other sampling flags, unless given, are the model's own (generation_config.json).");
ABSL_FLAG(std::optional<int32_t>, top_k, std::nullopt,
          "Sample among this many of the most probable tokens; 0 for all.");
ABSL_FLAG(std::optional<float>, top_p, std::nullopt,
          "Sample among the most probable tokens that together reach this probability.");
ABSL_FLAG(std::optional<float>, min_p, std::nullopt,
          "Drop tokens less probable than this share of the most probable one.");
ABSL_FLAG(std::optional<float>, repetition_penalty, std::nullopt,
          "Above 1 makes tokens that were seen before less probable.");
ABSL_FLAG(std::optional<float>, presence_penalty, std::nullopt,
          "Subtracted from the logit of every token that was generated before.");
ABSL_FLAG(std::optional<float>, frequency_penalty, std::nullopt,
          "Subtracted from a token's logit once for each time it was generated.");
ABSL_FLAG(std::optional<uint64_t>, seed, std::nullopt,
          "The same seed gives the same tokens. Unless given: chosen at random.");
ABSL_FLAG(std::string, logit_bias, "",
          "Added to the logits of tokens, e.g. 5:-100,9:2.5 makes token 5 all but impossible and "
          "token 9 more probable; -100 to 100.");
ABSL_FLAG(std::string, stop, "",
          "End before this text. For several, a JSON array: '[\"\\n\\n\", \"User:\"]'.");
ABSL_FLAG(gantry::TextFlag, json_schema, {},
          "The answer is JSON that satisfies this schema, a file or the text itself.");
ABSL_FLAG(gantry::TextFlag, regex, {}, "The answer matches this regular expression, as a whole.");
ABSL_FLAG(bool, json_object, false, "The answer is a JSON object.");
ABSL_FLAG(std::optional<bool>, logprobs, std::nullopt,
          "Report the log-probability of each token: a line a token instead of running text, or "
          "the field \"logprob\" of --json, where it is on unless --nologprobs.");
ABSL_FLAG(int32_t, top_logprobs, 0, "Report this many alternatives to each token, 0 to 20.");

ABSL_FLAG(
    int32_t, n, 1,
    "So many answers to the one prompt, 1 to 128, sampled with --seed, the next number and so "
    "on. As text they are printed one after the other, with an empty line between them.");
ABSL_FLAG(int32_t, priority, 0,
          "Among this client's requests those of higher priority come first, -10 to 10.");

ABSL_FLAG(bool, trace, false,
          "After the answer, print where its time went: waiting for its turn, prefill and decode, "
          "and in each stage waiting and computing; with --json as a line {\"trace\"}.");
ABSL_FLAG(bool, json, false, "Print JSON instead of text; one line a token when generating.");
ABSL_FLAG(absl::Duration, timeout, absl::ZeroDuration(),
          "Give up when the answer is not complete after this time, e.g. 30s; 0s never does.");
ABSL_FLAG(
    absl::Duration, retry_for, absl::Seconds(30),
    "When the connection breaks in the middle of an answer, or the server cannot go on for "
    "now, ask again for this long each time. The answer goes on where it stopped. 0s fails at "
    "once.");

namespace gantry {
namespace {

constexpr size_t kMaxInputBytes = 16 << 20;

using Action = GenerateOptions::Action;

absl::StatusOr<Action> ActionFromFlags() {
  const std::pair<bool, Action> wanted[] = {
      {absl::GetFlag(FLAGS_interactive), Action::kInteractive},
      {absl::GetFlag(FLAGS_score), Action::kScore},
      {absl::GetFlag(FLAGS_tokenize), Action::kTokenize},
      {absl::GetFlag(FLAGS_detokenize), Action::kDetokenize},
      {absl::GetFlag(FLAGS_status), Action::kStatus}};
  Action action = Action::kGenerate;
  int count = 0;
  for (const auto& [given, one] : wanted) {
    if (!given) continue;
    action = one;
    ++count;
  }
  if (count > 1) {
    return absl::InvalidArgumentError(
        "--interactive, --score, --tokenize, --detokenize and --status exclude each other");
  }
  return action;
}

absl::Status ReadIfDash(absl::string_view flag, std::istream& input,
                        std::optional<std::string>* text) {
  if (*text != "-") return absl::OkStatus();
  std::string all;
  char buffer[1 << 16];
  while (input.read(buffer, sizeof(buffer)), input.gcount() > 0) {
    all.append(buffer, input.gcount());
    if (all.size() > kMaxInputBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, " -: more than ", kMaxInputBytes, " bytes on stdin"));
    }
  }
  *text = std::move(all);
  return absl::OkStatus();
}

v1::Sampling SamplingFromFlags() {
  v1::Sampling sampling;
  if (const auto value = absl::GetFlag(FLAGS_temperature)) sampling.set_temperature(*value);
  if (const auto value = absl::GetFlag(FLAGS_top_k)) sampling.set_top_k(*value);
  if (const auto value = absl::GetFlag(FLAGS_top_p)) sampling.set_top_p(*value);
  if (const auto value = absl::GetFlag(FLAGS_min_p)) sampling.set_min_p(*value);
  if (const auto value = absl::GetFlag(FLAGS_repetition_penalty)) {
    sampling.set_repetition_penalty(*value);
  }
  if (const auto value = absl::GetFlag(FLAGS_presence_penalty)) {
    sampling.set_presence_penalty(*value);
  }
  if (const auto value = absl::GetFlag(FLAGS_frequency_penalty)) {
    sampling.set_frequency_penalty(*value);
  }
  if (const auto value = absl::GetFlag(FLAGS_seed)) sampling.set_seed(*value);
  return sampling;
}

}  // namespace

const char kGenerateUsage[] =
    R"(Asks a Gantry coordinator to generate text, and prints it as it comes.

Usage: generate [--server HOST:PORT] INPUT [flags]

  generate --chat "How many bytes are in one gigabyte?"
  generate --prompt "Once upon a time" --max_new_tokens 64 --temperature 0.8 --seed 7
  generate --token_ids 5,9,11 --max_new_tokens 24 --json
  generate --chat - --system "Answer in one sentence." < question.txt
  generate --chat "Who are you?" --json_schema '{"properties":{"name":{"type":"string"}}}'
  generate --interactive
  generate --token_ids 5,9,11 --score --top_logprobs 5
  generate --tokenize --prompt "Hello" --json
  generate --detokenize --token_ids 5,9,11
  generate --prompt "Once upon a time" --max_new_tokens 64 --trace
  generate --status [--json]
  generate --server gpu1:7070 --tls_cert client.crt --tls_key client.key --tls_ca ca.crt --status

Output of --json: a line {"index","token_id","text","logprob"} a token, then
{"finish_reason","text","prompt_tokens","completion_tokens","time_to_first_token_s","tokens_per_s",
"queue_s","prefill_s","decode_s"}. finish_reason is "stop" (an end token or --stop) or "length";
"text" is the end of the answer, held back in case --stop would follow. With --n both have
"sequence_index" too. --trace adds a line {"trace"}: an object with the fields of RequestTrace in
proto/inference.proto. Results go to stdout, errors to stderr.

When the connection breaks or a worker is lost, an answer that has begun goes on where it stopped as
soon as the server can; --retry_for says how long that may take.

Exit codes: 0 done (--status: also when the server is not ready), 1 failed, 2 wrong usage,
5 cannot reach the server, 130 interrupted by Ctrl-C, 143 terminated.)";

absl::StatusOr<GenerateOptions> GenerateOptionsFromFlags(std::istream& input) {
  GenerateOptions options;
  GANTRY_ASSIGN_OR_RETURN(options.action, ActionFromFlags());
  options.prompt = absl::GetFlag(FLAGS_prompt).text;
  options.chat = absl::GetFlag(FLAGS_chat).text;
  options.system = absl::GetFlag(FLAGS_system).text;
  if (const TextFlag ids = absl::GetFlag(FLAGS_token_ids); ids.text.has_value()) {
    GANTRY_ASSIGN_OR_RETURN(options.token_ids, ParseTokenIds(*ids.text));
  }
  options.add_special_tokens = absl::GetFlag(FLAGS_add_special_tokens);
  options.skip_special_tokens = absl::GetFlag(FLAGS_skip_special_tokens);
  options.sampling = SamplingFromFlags();
  options.max_new_tokens = absl::GetFlag(FLAGS_max_new_tokens);
  options.min_new_tokens = absl::GetFlag(FLAGS_min_new_tokens);
  options.ignore_eos = absl::GetFlag(FLAGS_ignore_eos);
  GANTRY_ASSIGN_OR_RETURN(options.logit_bias, ParseLogitBias(absl::GetFlag(FLAGS_logit_bias)));
  GANTRY_ASSIGN_OR_RETURN(options.stop, ParseStop(absl::GetFlag(FLAGS_stop)));
  if (const TextFlag schema = absl::GetFlag(FLAGS_json_schema); schema.text.has_value()) {
    GANTRY_ASSIGN_OR_RETURN(options.json_schema, ReadSchema(*schema.text));
  }
  options.regex = absl::GetFlag(FLAGS_regex).text;
  options.json_object = absl::GetFlag(FLAGS_json_object);
  options.logprobs = absl::GetFlag(FLAGS_logprobs);
  options.top_logprobs = absl::GetFlag(FLAGS_top_logprobs);
  options.n = absl::GetFlag(FLAGS_n);
  options.priority = absl::GetFlag(FLAGS_priority);
  options.trace = absl::GetFlag(FLAGS_trace);
  options.json = absl::GetFlag(FLAGS_json);
  const absl::Duration timeout = absl::GetFlag(FLAGS_timeout);
  if (timeout < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--timeout: expected a time of 0s or more");
  }
  if (timeout > absl::ZeroDuration()) options.timeout = timeout;
  options.retry_for = absl::GetFlag(FLAGS_retry_for);
  if (options.retry_for < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--retry_for: expected a time of 0s or more");
  }

  GANTRY_RETURN_IF_ERROR(CheckOptions(options));
  GANTRY_RETURN_IF_ERROR(ReadIfDash("--prompt", input, &options.prompt));
  const bool chat_from_input = options.chat == "-";
  GANTRY_RETURN_IF_ERROR(ReadIfDash("--chat", input, &options.chat));
  if (chat_from_input) options.chat = std::string(absl::StripSuffix(*options.chat, "\n"));
  GANTRY_RETURN_IF_ERROR(CheckOptions(options));
  return options;
}

}  // namespace gantry
