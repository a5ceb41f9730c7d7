#include "coordinator/coordinator_flags.h"

#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/flags.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "coordinator/http/http_flags.h"
#include "plan/serving_flags.h"

ABSL_FLAG(std::string, model, "", "Model: a folder, or a name in the local Hugging Face cache.");
ABSL_FLAG(std::string, model_root, "", "Folder in which --model is looked for first.");
ABSL_FLAG(std::string, listen, "127.0.0.1:7070", "HOST:PORT or unix:PATH to serve on.");
ABSL_FLAG(std::string, advertise, "",
          "HOST:PORT at which workers reach this coordinator, if not that of --listen.");
ABSL_FLAG(int32_t, min_workers, 1, "Workers to wait for before the model is placed.");
ABSL_FLAG(
    std::string, device_map, "optimal",
    "optimal: what the planner predicts to be fastest, which may leave workers spare. balanced "
    "(or auto): the same share of every GPU's memory, and of every CPU's if the model does not fit "
    "into the GPUs. Or a JSON file that maps modules to workers, as accelerate's device_map: by "
    "name, by 0, \"cuda:0\", \"cpu\" or \"cpu:1\".");
ABSL_FLAG(std::string, objective, "latency",
          "Of --device_map=optimal. latency: the fewest seconds a token. throughput: the quickest "
          "slowest worker, which serves many requests faster.");
ABSL_FLAG(std::string, max_memory, "",
          "JSON of what workers may take at most, such as {\"w0\": \"20GiB\"}; others keep what "
          "their --memory offers.");
ABSL_FLAG(std::string, load_format, "auto",
          "auto: the checkpoint's weights. dummy: seeded random weights; only config.json is "
          "needed.");
ABSL_FLAG(uint64_t, dummy_seed, 0, "Seed of --load_format=dummy.");
ABSL_FLAG(int64_t, context, 0,
          "Tokens a sequence may have; 0: what the model allows, at most 4096.");
ABSL_FLAG(int64_t, batch, 8,
          "Sequences of full context that keys and values are kept for, if they fit.");
ABSL_FLAG(int64_t, block_size, 16, "Tokens in a block of keys and values.");
ABSL_FLAG(int64_t, max_step_tokens, 512,
          "Tokens a step may have. Longer prompts are computed in chunks.");
ABSL_FLAG(bool, share_prefixes, true,
          "Keep the keys and values of prompts, as long as memory is left, for prompts of the same "
          "client that begin alike.");
ABSL_FLAG(
    bool, share_prefixes_across_clients, false,
    "Also for those of other clients. The time to the first token then shows a client whether "
    "somebody sent the same prompt before.");
ABSL_FLAG(double, max_decode_slowdown, 1.6,
          "Where answers are being generated, as many tokens of prompts are computed in a step as "
          "make it take at most so many times as long.");
ABSL_FLAG(int64_t, max_sequences, 256, "Requests that run at once.");
ABSL_FLAG(int64_t, max_queue, 256,
          "Requests that wait; more are refused, first those of the client that has the most.");
ABSL_FLAG(int64_t, max_steps_in_flight, 0,
          "Steps on their way at once; 0: one more than there are stages.");
ABSL_FLAG(absl::Duration, lease, absl::Seconds(5),
          "Without progress for so long, a worker counts as lost.");
ABSL_FLAG(absl::Duration, load_timeout, absl::Hours(1), "For loading the model.");
ABSL_FLAG(absl::Duration, step_timeout, absl::Seconds(60),
          "A step that takes longer ends the requests that run.");
ABSL_FLAG(absl::Duration, recovery_timeout, absl::Seconds(60),
          "When a worker is lost, requests under way wait so long for the model to be placed anew, "
          "and go on with the same tokens; 0s: they fail at once.");
ABSL_FLAG(
    absl::Duration, resume_timeout, absl::Seconds(60),
    "What a request with a request_id has been answered is kept for so long after its end, for "
    "a client whose connection broke and that goes on by resume_from; 0s: nothing is kept.");
ABSL_FLAG(absl::Duration, drain, absl::Seconds(10),
          "When told to stop, wait so long for the requests that run.");
ABSL_FLAG(std::string, tls_cert, "", "This coordinator's certificate, PEM.");
ABSL_FLAG(std::string, tls_key, "", "Private key of --tls_cert, PEM.");
ABSL_FLAG(std::string, tls_ca, "", "Certificate of the authority that signed all peers', PEM.");
ABSL_FLAG(bool, insecure_allow_remote, false,
          "Serve plain text on addresses other than loopback. Only on a network that you trust.");
ABSL_FLAG(std::string, log_level, "info", "debug, info, warning or error.");
ABSL_FLAG(std::string, log_format, "text", "text or json.");

namespace gantry {
namespace {

constexpr int64_t kMaxContext = int64_t{1} << 24;

absl::Status CheckTime(absl::string_view flag, absl::Duration value, absl::Duration min) {
  if (value >= min && value <= absl::Hours(24 * 365)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--", flag, ": expected ",
                                                 absl::FormatDuration(min), " to a year, found ",
                                                 absl::FormatDuration(value)));
}

absl::StatusOr<std::vector<std::pair<std::string, uint64_t>>> ParseMaxMemory(
    absl::string_view text) {
  std::vector<std::pair<std::string, uint64_t>> limits;
  if (text.empty()) return limits;
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseJson(text, "--max_memory"));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        "--max_memory: expected an object such as {\"w0\": \"20GiB\"}");
  }
  for (const auto& [name, value] : json.items()) {
    if (value.is_number_unsigned()) {
      limits.emplace_back(name, value.get<uint64_t>());
      continue;
    }
    const absl::StatusOr<uint64_t> bytes =
        ParseBytes(value.is_string() ? value.get<std::string>() : DumpJson(value));
    if (!bytes.ok()) return Annotate(bytes.status(), absl::StrCat("--max_memory: ", name));
    limits.emplace_back(name, *bytes);
  }
  return limits;
}

}  // namespace

absl::Status CheckOptions(const CoordinatorOptions& options) {
  if (options.model.empty()) return absl::InvalidArgumentError("--model is needed");
  GANTRY_RETURN_IF_ERROR(CheckFlagRange("min_workers", options.min_workers, 1, 4096));
  GANTRY_RETURN_IF_ERROR(CheckFlagRange("context", options.context, 0, kMaxContext));
  GANTRY_RETURN_IF_ERROR(CheckFlagRange("batch", options.batch, 1, 65536));
  GANTRY_RETURN_IF_ERROR(CheckFlagRange("block_size", options.block_size, 1, 4096));
  GANTRY_RETURN_IF_ERROR(CheckFlagRange("max_step_tokens", options.max_step_tokens, 1, 65536));
  GANTRY_RETURN_IF_ERROR(CheckFlagRange("max_sequences", options.max_sequences, 1, 65536));
  GANTRY_RETURN_IF_ERROR(CheckFlagRange("max_queue", options.max_queue, 1, 1 << 20));
  GANTRY_RETURN_IF_ERROR(
      CheckFlagRange("max_steps_in_flight", options.max_steps_in_flight, 0, 4096));
  if (!(options.max_decode_slowdown >= 1.01 && options.max_decode_slowdown <= 1000)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--max_decode_slowdown: expected 1.01 to 1000, found ", options.max_decode_slowdown));
  }
  GANTRY_RETURN_IF_ERROR(CheckTime("lease", options.lease, absl::Milliseconds(100)));
  GANTRY_RETURN_IF_ERROR(CheckTime("load_timeout", options.load_timeout, absl::Seconds(1)));
  GANTRY_RETURN_IF_ERROR(CheckTime("step_timeout", options.step_timeout, absl::Milliseconds(100)));
  GANTRY_RETURN_IF_ERROR(
      CheckTime("recovery_timeout", options.recovery_timeout, absl::ZeroDuration()));
  GANTRY_RETURN_IF_ERROR(CheckTime("resume_timeout", options.resume_timeout, absl::ZeroDuration()));
  return CheckTime("drain", options.drain, absl::ZeroDuration());
}

absl::StatusOr<CoordinatorOptions> OptionsFromFlags() {
  if (!InitLog({"coordinator", absl::GetFlag(FLAGS_log_level), absl::GetFlag(FLAGS_log_format)})) {
    return absl::InvalidArgumentError(
        "--log_level: expected debug, info, warning or error; --log_format: expected text or json");
  }
  CoordinatorOptions options;
  options.model = absl::GetFlag(FLAGS_model);
  options.model_root = absl::GetFlag(FLAGS_model_root);
  options.listen = absl::GetFlag(FLAGS_listen);
  options.advertise = absl::GetFlag(FLAGS_advertise);
  options.min_workers = absl::GetFlag(FLAGS_min_workers);
  options.dummy_seed = absl::GetFlag(FLAGS_dummy_seed);
  options.context = absl::GetFlag(FLAGS_context);
  options.batch = absl::GetFlag(FLAGS_batch);
  options.block_size = absl::GetFlag(FLAGS_block_size);
  options.max_step_tokens = absl::GetFlag(FLAGS_max_step_tokens);
  options.max_sequences = absl::GetFlag(FLAGS_max_sequences);
  options.max_queue = absl::GetFlag(FLAGS_max_queue);
  options.max_steps_in_flight = absl::GetFlag(FLAGS_max_steps_in_flight);
  options.share_prefixes = absl::GetFlag(FLAGS_share_prefixes);
  options.share_prefixes_across_clients = absl::GetFlag(FLAGS_share_prefixes_across_clients);
  if (options.share_prefixes_across_clients && !options.share_prefixes) {
    return absl::InvalidArgumentError(
        "--share_prefixes_across_clients shares nothing with --noshare_prefixes");
  }
  options.max_decode_slowdown = absl::GetFlag(FLAGS_max_decode_slowdown);
  options.lease = absl::GetFlag(FLAGS_lease);
  options.load_timeout = absl::GetFlag(FLAGS_load_timeout);
  options.step_timeout = absl::GetFlag(FLAGS_step_timeout);
  options.recovery_timeout = absl::GetFlag(FLAGS_recovery_timeout);
  options.resume_timeout = absl::GetFlag(FLAGS_resume_timeout);
  options.drain = absl::GetFlag(FLAGS_drain);
  options.tls = {absl::GetFlag(FLAGS_tls_cert), absl::GetFlag(FLAGS_tls_key),
                 absl::GetFlag(FLAGS_tls_ca), absl::GetFlag(FLAGS_insecure_allow_remote)};

  GANTRY_ASSIGN_OR_RETURN(options.http, HttpOptionsFromFlags());

  const std::string load_format = absl::GetFlag(FLAGS_load_format);
  if (load_format != "auto" && load_format != "dummy") {
    return absl::InvalidArgumentError(
        absl::StrCat("--load_format: expected auto or dummy, found \"", load_format, "\""));
  }
  options.dummy = load_format == "dummy";
  GANTRY_ASSIGN_OR_RETURN(options.serving, ServingRequestFromFlags());
  const std::string device_map = absl::GetFlag(FLAGS_device_map);
  if (device_map == "balanced_low_0" || device_map == "sequential") {
    return absl::UnimplementedError(
        absl::StrCat("--device_map: ", device_map,
                     " is made for the GPUs of one process; planner --format=device_map writes it "
                     "as a file that this flag takes"));
  }
  options.balanced = device_map == "balanced" || device_map == "auto";
  if (device_map != "optimal" && !options.balanced) options.device_map_file = device_map;
  const std::string objective = absl::GetFlag(FLAGS_objective);
  if (objective != "latency" && objective != "throughput") {
    return absl::InvalidArgumentError(
        absl::StrCat("--objective: expected latency or throughput, found \"", objective, "\""));
  }
  if (objective == "throughput") options.objective = PlanObjective::kThroughput;
  GANTRY_ASSIGN_OR_RETURN(options.max_memory, ParseMaxMemory(absl::GetFlag(FLAGS_max_memory)));
  GANTRY_RETURN_IF_ERROR(CheckOptions(options));
  return options;
}

}  // namespace gantry
