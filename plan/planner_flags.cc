#include "plan/planner_flags.h"

#include <optional>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/flags.h"
#include "base/status_macros.h"
#include "plan/accelerate/device_map.h"
#include "plan/serving_flags.h"

ABSL_FLAG(std::string, model, "",
          "A folder with config.json, such a file, the name of a model in the local Hugging Face "
          "cache, or of one that the planner knows. Nothing is downloaded, no weight is read. "
          "Without it: which known models run on the hardware.");
ABSL_FLAG(std::string, gpus, "",
          "GPUs: 2x24GB,1x80GB or 2xRTX4090,1xH200, a bandwidth or a device's name behind @: "
          "2x24GB@1008GB/s, 1x20GB@RTX4090. GB is 10^9 and GiB 2^30 bytes; gb means GB too, where "
          "accelerate reads bits.");
ABSL_FLAG(std::string, cpus, "",
          "CPUs (machines that compute without a GPU): 1x64GB, 1x64GB@80GB/s, 1x256GB@EPYC9654.");
ABSL_FLAG(std::string, network, "",
          "Between stages: 10Gbit,0.2ms, or one of the two. Unless given: gRPC within one host, "
          "1 GB/s and 50 us, as measured; a latency given is added to that.");
ABSL_FLAG(std::optional<int64_t>, context, std::nullopt,
          "Tokens of a sequence, prompt and answer. Unless given: 4096, or what the model can.");
ABSL_FLAG(int64_t, batch, 1, "Sequences at once.");
ABSL_FLAG(int64_t, prompt_tokens, 0,
          "Tokens of the prompt whose time to first token is predicted; 0: 512, or the context.");
ABSL_FLAG(
    std::string, objective, "latency",
    "What --device_map=optimal makes best: latency (the fewest seconds a token) or throughput "
    "(the slowest stage as quick as can be).");
ABSL_FLAG(std::string, device_map, "optimal",
          "optimal, or accelerate's auto, balanced, balanced_low_0 or sequential, module for "
          "module, or a JSON file of modules and devices, whose name ends in .json.");
ABSL_FLAG(std::string, max_memory, "",
          "Limits as in accelerate: '{\"0\":\"20GiB\",\"cpu\":\"60GiB\"}'. Devices that are not "
          "named get "
          "nothing. Without --gpus and --cpus these are the devices.");
ABSL_FLAG(
    std::optional<double>, memory_fraction, std::nullopt,
    "Share of the limits to use. Unless given: 0.9 where transformers applies it (accelerate's "
    "modes with int8 or 4-bit weights), else 1.");
ABSL_FLAG(std::string, format, "table", "table, json, device_map or svg.");
ABSL_FLAG(std::string, output, "", "Write to this file and not to stdout.");
ABSL_FLAG(bool, estimate, false,
          "Print the table of `accelerate estimate-memory` and nothing else.");
ABSL_FLAG(std::string, sweep, "", "A table over growing context or batch.");

namespace gantry {

const char kPlannerUsage[] =
    R"(Says where the layers of a model go on given hardware, what that takes in memory to the byte, and how
fast it is predicted to be. Needs no GPU, no weights and no network.

Usage: planner [--model DIR_or_NAME] --gpus 2x24GB [--cpus 1x64GB] [flags]

  planner --gpus 2x24GB
  planner --model meta-llama/Llama-3.1-8B --gpus RTX4090
  planner --model meta-llama/Llama-3.1-70B --gpus 2xRTX4090 --load_in_4bit --bnb_4bit_quant_type nf4
  planner --model DIR --gpus 1x8GB --cpus 1x64GB --load_in_8bit --llm_int8_enable_fp32_cpu_offload
  planner --model DIR --gpus 2x24GB --format device_map --output map.json
  planner --model DIR --gpus 1x24GB --sweep context
  planner --model DIR --estimate

Speeds are predictions from memory bandwidth, operations and hops; a bandwidth that was not given and
is not known is assumed from the size and marked with ~.

Output of --format=json: {"model","fits","problem","error","missing_bytes","parameters","format","context",
"batch","device_map","exact","devices":[{"name","product","kind","capacity_bytes","weights_bytes",
"kv_cache_bytes","activations_bytes","overhead_bytes","free_bytes","missing_bytes","modules",
"bandwidth_bytes_per_s","assumed_speed","decode_s","prefill_s"}],"predicted":{"decode_tokens_per_s",
"throughput_tokens_per_s","batches_in_flight","prefill_tokens_per_s","time_to_first_token_s"},"max_context",
"explanation":[...],"suggestions":[{"change","command"}],"served"}. Without a model: {"models":[{"model",
"format","fits","weights_bytes","max_context","decode_tokens_per_s"}]}. Fields are added, never renamed.

Exit codes: 0 it fits, 1 failed, 2 wrong usage, 3 it does not fit, 4 bad checkpoint.)";

namespace {

absl::Status ReadHardware(PlannerOptions* options) {
  options->gpus_text = absl::GetFlag(FLAGS_gpus);
  options->cpus_text = absl::GetFlag(FLAGS_cpus);
  options->network_text = absl::GetFlag(FLAGS_network);
  options->max_memory_text = absl::GetFlag(FLAGS_max_memory);
  std::vector<HardwareDevice>& devices = options->hardware.devices;
  if (!options->gpus_text.empty()) {
    GANTRY_ASSIGN_OR_RETURN(devices, ParseDevices(options->gpus_text, MemoryKind::kGpu, "--gpus"));
  }
  if (!options->cpus_text.empty()) {
    GANTRY_ASSIGN_OR_RETURN(const std::vector<HardwareDevice> cpus,
                            ParseDevices(options->cpus_text, MemoryKind::kCpu, "--cpus"));
    devices.insert(devices.end(), cpus.begin(), cpus.end());
  }
  if (!options->network_text.empty()) {
    GANTRY_ASSIGN_OR_RETURN(options->hardware.network,
                            ParseNetwork(options->network_text, "--network"));
  }
  if (!options->max_memory_text.empty()) {
    GANTRY_ASSIGN_OR_RETURN(const Json json, ParseJson(options->max_memory_text, "--max_memory"));
    GANTRY_ASSIGN_OR_RETURN(options->max_memory, ParseMaxMemory(json, "--max_memory"));
    if (devices.empty()) {
      for (const auto& [name, bytes] : *options->max_memory) {
        if (name == "disk" || name == "mps" || bytes < kMinDeviceBytes) continue;
        const MemoryKind kind = name == "cpu" ? MemoryKind::kCpu : MemoryKind::kGpu;
        const std::string size = absl::StrCat(std::min(bytes, kMaxDeviceBytes), "B");
        GANTRY_ASSIGN_OR_RETURN(std::vector<HardwareDevice> one,
                                ParseDevices(size, kind, "--max_memory"));
        one[0].name = name;
        devices.push_back(one[0]);
      }
    }
  }
  if (devices.size() > kMaxDevices) {
    return absl::InvalidArgumentError(
        absl::StrCat("--gpus and --cpus: more than ", kMaxDevices, " devices in all"));
  }
  return absl::OkStatus();
}

// What holds for any model. A checkpoint may bring other options of quantisation.
void ReadServing(const ServingRequest& serving, PlannerOptions* options) {
  options->quantization = serving.quantization;
  options->quantization_config = serving.quantization_config;
  options->dtype = serving.dtype;
  options->kv_cache_dtype = serving.kv_cache_dtype;
  options->offload_dtype = serving.offload_dtype;
}

absl::Status ReadDeviceMap(PlannerOptions* options) {
  options->device_map = absl::GetFlag(FLAGS_device_map);
  if (options->device_map == "optimal") return absl::OkStatus();
  if (!absl::EndsWith(options->device_map, ".json")) {
    if (ParseAccelerateMode(options->device_map).ok()) return absl::OkStatus();
    return WrongFlag(
        "device_map",
        "optimal, auto, balanced, balanced_low_0, sequential or a file that ends in .json",
        options->device_map);
  }
  options->given_map_file = options->device_map;
  GANTRY_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(options->given_map_file));
  GANTRY_ASSIGN_OR_RETURN(options->given_map, ParseDeviceMap(json, options->given_map_file));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PlannerFlags> PlannerFlagsFromCommandLine() {
  PlannerFlags flags;
  PlannerOptions& options = flags.options;
  options.model = absl::GetFlag(FLAGS_model);
  GANTRY_RETURN_IF_ERROR(ReadHardware(&options));
  GANTRY_ASSIGN_OR_RETURN(flags.serving, ServingRequestFromFlags());
  ReadServing(flags.serving, &options);
  GANTRY_RETURN_IF_ERROR(ReadDeviceMap(&options));
  options.memory_fraction = absl::GetFlag(FLAGS_memory_fraction);
  if (options.memory_fraction.has_value() &&
      !(*options.memory_fraction > 0 && *options.memory_fraction <= 1)) {
    return absl::InvalidArgumentError(
        "--memory_fraction: expected a number above 0 and at most 1, for example 0.9");
  }
  options.context = absl::GetFlag(FLAGS_context);
  if (options.context.has_value()) {
    GANTRY_RETURN_IF_ERROR(CheckFlagRange("context", *options.context, 1, kMaxPlanContext));
  }
  options.batch = absl::GetFlag(FLAGS_batch);
  GANTRY_RETURN_IF_ERROR(CheckFlagRange("batch", options.batch, 1, kMaxPlanBatch));
  options.prompt_tokens = absl::GetFlag(FLAGS_prompt_tokens);
  GANTRY_RETURN_IF_ERROR(
      CheckFlagRange("prompt_tokens", options.prompt_tokens, 0, kMaxPlanContext));
  const std::string objective = absl::GetFlag(FLAGS_objective);
  if (objective != "latency" && objective != "throughput") {
    return WrongFlag("objective", "latency or throughput", objective);
  }
  if (objective == "throughput") options.objective = PlanObjective::kThroughput;

  const std::string format = absl::GetFlag(FLAGS_format);
  if (format == "json") {
    flags.format = PlannerFormat::kJson;
  } else if (format == "device_map") {
    flags.format = PlannerFormat::kDeviceMap;
  } else if (format == "svg") {
    flags.format = PlannerFormat::kSvg;
  } else if (format != "table") {
    return WrongFlag("format", "table, json, device_map or svg", format);
  }
  const std::string sweep = absl::GetFlag(FLAGS_sweep);
  if (sweep == "context") {
    flags.sweep = PlannerSweep::kContext;
  } else if (sweep == "batch") {
    flags.sweep = PlannerSweep::kBatch;
  } else if (!sweep.empty()) {
    return WrongFlag("sweep", "context or batch", sweep);
  }
  flags.estimate = absl::GetFlag(FLAGS_estimate);
  flags.output = absl::GetFlag(FLAGS_output);
  if (options.model.empty() && flags.estimate) {
    return absl::InvalidArgumentError(
        "--estimate: expected --model, for example --model meta-llama/Llama-3.1-8B");
  }
  if (options.hardware.devices.empty() && !flags.estimate) {
    return absl::InvalidArgumentError("expected --gpus or --cpus, for example --gpus 2x24GB");
  }
  const bool one_plan = !options.model.empty() && flags.sweep == PlannerSweep::kNone;
  if (!one_plan && !flags.estimate &&
      (flags.format == PlannerFormat::kDeviceMap || flags.format == PlannerFormat::kSvg)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--format=", format, ": expected one plan, so --model and no --sweep"));
  }
  if (options.model.empty() && flags.sweep != PlannerSweep::kNone) {
    return absl::InvalidArgumentError(
        "--sweep: expected --model, for example --model meta-llama/Llama-3.1-8B");
  }
  return flags;
}

}  // namespace gantry
