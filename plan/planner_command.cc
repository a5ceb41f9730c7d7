#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "plan/planner.h"

namespace gantry {
namespace {

std::string Quoted(absl::string_view value) {
  constexpr absl::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:@+%=";
  if (!value.empty() && value.find_first_not_of(kPlain) == absl::string_view::npos) {
    return std::string(value);
  }
  return absl::StrCat("'", absl::StrReplaceAll(value, {{"'", "'\\''"}}), "'");
}

void Add(std::string* command, absl::string_view flag, absl::string_view value) {
  absl::StrAppend(command, " --", flag, " ", Quoted(value));
}

void AddQuantization(const PlannerOptions& options, std::string* command) {
  const QuantizationOptions& quantization = options.quantization;
  const QuantizationOptions defaults;
  if (!options.quantization_config.empty()) {
    Add(command, "quantization_config", options.quantization_config);
  } else if (!options.checkpoint_quantization) {
    if (quantization.load_in_8bit) absl::StrAppend(command, " --load_in_8bit");
    if (quantization.load_in_4bit) {
      absl::StrAppend(command, " --load_in_4bit --bnb_4bit_quant_type ",
                      std::string(SchemeName(quantization.bnb_4bit_quant_type)));
      if (quantization.bnb_4bit_use_double_quant) {
        absl::StrAppend(command, " --bnb_4bit_use_double_quant");
      }
    }
    if (quantization.has_skip_modules) {
      Add(command, "llm_int8_skip_modules", absl::StrJoin(quantization.llm_int8_skip_modules, ","));
    }
    if (quantization.load_in_8bit && quantization.llm_int8_has_fp16_weight) {
      absl::StrAppend(command, " --llm_int8_has_fp16_weight");
    }
  }
  if (quantization.quantized() && quantization.llm_int8_enable_fp32_cpu_offload) {
    absl::StrAppend(command, " --llm_int8_enable_fp32_cpu_offload");
  }
}

}  // namespace

std::string PlannerCommand(const PlannerOptions& options) {
  std::string command = "planner";
  Add(&command, "model", options.model);
  if (!options.gpus_text.empty()) Add(&command, "gpus", options.gpus_text);
  if (!options.cpus_text.empty()) Add(&command, "cpus", options.cpus_text);
  if (!options.network_text.empty()) Add(&command, "network", options.network_text);
  AddQuantization(options, &command);
  if (options.dtype.has_value()) Add(&command, "dtype", TorchName(*options.dtype));
  if (options.kv_cache_dtype.has_value()) {
    Add(&command, "kv_cache_dtype", TorchName(*options.kv_cache_dtype));
  }
  if (options.offload_dtype.has_value()) {
    Add(&command, "offload_dtype", OffloadDTypeName(*options.offload_dtype));
  }
  if (options.device_map != "optimal") Add(&command, "device_map", options.device_map);
  if (!options.max_memory_text.empty()) Add(&command, "max_memory", options.max_memory_text);
  if (options.memory_fraction.has_value()) {
    Add(&command, "memory_fraction", absl::StrFormat("%g", *options.memory_fraction));
  }
  if (options.context.has_value()) absl::StrAppend(&command, " --context ", *options.context);
  if (options.batch != 1) absl::StrAppend(&command, " --batch ", options.batch);
  if (options.prompt_tokens > 0) {
    absl::StrAppend(&command, " --prompt_tokens ", options.prompt_tokens);
  }
  if (options.objective == PlanObjective::kThroughput) {
    absl::StrAppend(&command, " --objective throughput");
  }
  return command;
}

}  // namespace gantry
