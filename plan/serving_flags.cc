#include "plan/serving_flags.h"

#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/flags.h"
#include "base/status_macros.h"

ABSL_FLAG(std::string, dtype, "auto",
          "Type of the weights that are not quantised, and of activations, on GPUs: float32, "
          "float16, bfloat16, or auto for the checkpoint's. CPUs compute in float32 and hold what "
          "--offload_dtype says.");
ABSL_FLAG(std::string, kv_cache_dtype, "auto",
          "Type of keys and values on GPUs: float32, float16, bfloat16, or auto for that of "
          "activations. On CPUs they are float32.");
ABSL_FLAG(std::string, offload_dtype, "",
          "What CPUs hold: float32, bfloat16 (but for embeddings), int8, nf4, or auto for the "
          "scheme that a GPU would hold. Unless given: float32, as "
          "--llm_int8_enable_fp32_cpu_offload says. If given, CPUs may hold layers beside GPUs "
          "without that flag.");
ABSL_FLAG(std::optional<bool>, load_in_8bit, std::nullopt, "Weights in LLM.int8().");
ABSL_FLAG(std::optional<bool>, load_in_4bit, std::nullopt, "Weights in 4 bits.");
ABSL_FLAG(std::optional<double>, llm_int8_threshold, std::nullopt,
          "Activations at least so large are multiplied in 16 bits; 0: none. Unless given: the "
          "checkpoint's, or 6.0.");
ABSL_FLAG(std::string, llm_int8_skip_modules, "",
          "Modules that stay unquantised, a,b; unless given, lm_head and what is tied to it.");
ABSL_FLAG(bool, llm_int8_enable_fp32_cpu_offload, false,
          "Let CPUs hold layers, in fp32, beside GPUs with int8 or 4-bit weights.");
ABSL_FLAG(
    std::optional<bool>, llm_int8_has_fp16_weight, std::nullopt,
    "Taken as in transformers, and changes nothing: bitsandbytes keeps 16-bit weights to train "
    "them, and computes with the codes all the same.");
ABSL_FLAG(std::string, llm_int8_outliers, "",
          "token (unless given): an activation is an outlier for its token alone, so that answers "
          "do not depend on what else runs. batch: its column is one for all tokens of a step, as "
          "in bitsandbytes.");
ABSL_FLAG(std::string, bnb_4bit_compute_dtype, "",
          "Type of products with 4-bit weights: float32, float16 or bfloat16. Unless given: the "
          "checkpoint's or the file's, or else bfloat16, where bitsandbytes' own default is "
          "float32, which is slower.");
ABSL_FLAG(std::string, bnb_4bit_quant_type, "", "fp4 or nf4. Unless given: fp4.");
ABSL_FLAG(std::optional<bool>, bnb_4bit_use_double_quant, std::nullopt,
          "Quantise the scales of 4-bit weights too.");
ABSL_FLAG(std::string, bnb_4bit_quant_storage, "",
          "Type that 4-bit weights are packed into in files: uint8 (unless given), int8, float16, "
          "bfloat16, float32 or float64. On devices they take the same bytes in all.");
ABSL_FLAG(std::string, quantization_config, "",
          "A JSON file as BitsAndBytesConfig writes it, instead of the load_in, llm_int8 and "
          "bnb_4bit flags.");
ABSL_FLAG(bool, deterministic, false,
          "Sum in an order that depends on nothing else in the batch, also on GPUs where that is "
          "slower.");

namespace gantry {
namespace {

absl::StatusOr<std::optional<DType>> DTypeOrAuto(absl::string_view flag, const std::string& value) {
  if (value == "auto") return std::optional<DType>();
  GANTRY_ASSIGN_OR_RETURN(const DType dtype,
                          DTypeFromFlag(flag, value, {DType::kF32, DType::kF16, DType::kBF16}));
  return std::optional<DType>(dtype);
}

// Takes `value` for given if it is not empty.
bool IsGiven(const std::string& name, const std::string& value, ServingRequest* request) {
  if (!value.empty()) request->given.insert(name);
  return !value.empty();
}

bool IsTrue(const std::string& name, std::optional<bool> value, ServingRequest* request) {
  if (value.has_value()) request->given.insert(name);
  return value.value_or(false);
}

absl::Status ReadInt8Flags(ServingRequest* request) {
  QuantizationOptions& options = request->quantization;
  options.load_in_8bit = IsTrue("load_in_8bit", absl::GetFlag(FLAGS_load_in_8bit), request);
  if (const std::optional<double> threshold = absl::GetFlag(FLAGS_llm_int8_threshold)) {
    if (!(*threshold >= 0 && *threshold < 1e30)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--llm_int8_threshold: expected 0 or more, for example 6.0, found ", *threshold));
    }
    options.llm_int8_threshold = *threshold;
    request->given.insert("llm_int8_threshold");
  }
  const std::string skip = absl::GetFlag(FLAGS_llm_int8_skip_modules);
  if (IsGiven("llm_int8_skip_modules", skip, request)) {
    options.llm_int8_skip_modules = absl::StrSplit(skip, ',', absl::SkipWhitespace());
    options.has_skip_modules = true;
  }
  options.llm_int8_has_fp16_weight =
      IsTrue("llm_int8_has_fp16_weight", absl::GetFlag(FLAGS_llm_int8_has_fp16_weight), request);
  return absl::OkStatus();
}

absl::Status ReadFourBitFlags(ServingRequest* request) {
  QuantizationOptions& options = request->quantization;
  options.load_in_4bit = IsTrue("load_in_4bit", absl::GetFlag(FLAGS_load_in_4bit), request);
  options.bnb_4bit_compute_dtype = DType::kBF16;
  const std::string compute = absl::GetFlag(FLAGS_bnb_4bit_compute_dtype);
  if (IsGiven("bnb_4bit_compute_dtype", compute, request)) {
    GANTRY_ASSIGN_OR_RETURN(
        options.bnb_4bit_compute_dtype,
        DTypeFromFlag("bnb_4bit_compute_dtype", compute, {DType::kF32, DType::kF16, DType::kBF16}));
  }
  const std::string type = absl::GetFlag(FLAGS_bnb_4bit_quant_type);
  if (IsGiven("bnb_4bit_quant_type", type, request)) {
    if (type != "fp4" && type != "nf4") return WrongFlag("bnb_4bit_quant_type", "fp4 or nf4", type);
    options.bnb_4bit_quant_type = type == "fp4" ? Scheme::kFp4 : Scheme::kNf4;
  }
  options.bnb_4bit_use_double_quant =
      IsTrue("bnb_4bit_use_double_quant", absl::GetFlag(FLAGS_bnb_4bit_use_double_quant), request);
  const std::string storage = absl::GetFlag(FLAGS_bnb_4bit_quant_storage);
  if (IsGiven("bnb_4bit_quant_storage", storage, request)) {
    GANTRY_ASSIGN_OR_RETURN(options.bnb_4bit_quant_storage,
                            DTypeFromFlag("bnb_4bit_quant_storage", storage,
                                          {DType::kU8, DType::kI8, DType::kF16, DType::kBF16,
                                           DType::kF32, DType::kF64}));
  }
  return absl::OkStatus();
}

absl::Status ReadConfigFile(const std::string& file, ServingRequest* request) {
  if (!request->given.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--quantization_config: the file says all; leave out --", *request->given.begin()));
  }
  GANTRY_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(file));
  GANTRY_ASSIGN_OR_RETURN(request->quantization, ParseQuantizationOptions(json, file));
  request->quantization_config = file;
  for (const auto& entry : json.items()) request->given.insert(entry.key());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ServingRequest> ServingRequestFromFlags() {
  ServingRequest request;
  GANTRY_RETURN_IF_ERROR(ReadInt8Flags(&request));
  GANTRY_RETURN_IF_ERROR(ReadFourBitFlags(&request));
  QuantizationOptions& options = request.quantization;
  if (options.load_in_8bit && options.load_in_4bit) {
    return absl::InvalidArgumentError(
        "--load_in_4bit and --load_in_8bit: only one can be used at the same time");
  }
  const std::string file = absl::GetFlag(FLAGS_quantization_config);
  if (!file.empty()) GANTRY_RETURN_IF_ERROR(ReadConfigFile(file, &request));
  // Of bitsandbytes' and ours, these say nothing of the weights.
  options.llm_int8_enable_fp32_cpu_offload |= absl::GetFlag(FLAGS_llm_int8_enable_fp32_cpu_offload);
  const std::string outliers = absl::GetFlag(FLAGS_llm_int8_outliers);
  if (IsGiven("llm_int8_outliers", outliers, &request)) {
    if (outliers != "token" && outliers != "batch") {
      return WrongFlag("llm_int8_outliers", "token or batch", outliers);
    }
    request.outliers_per_batch = outliers == "batch";
  }
  GANTRY_ASSIGN_OR_RETURN(request.dtype, DTypeOrAuto("dtype", absl::GetFlag(FLAGS_dtype)));
  GANTRY_ASSIGN_OR_RETURN(request.kv_cache_dtype,
                          DTypeOrAuto("kv_cache_dtype", absl::GetFlag(FLAGS_kv_cache_dtype)));
  const std::string offload = absl::GetFlag(FLAGS_offload_dtype);
  if (!offload.empty()) {
    request.offload_dtype = OffloadDTypeFromName(offload);
    if (!request.offload_dtype.has_value()) {
      return WrongFlag("offload_dtype", "float32, bfloat16, int8, nf4 or auto", offload);
    }
  }
  request.deterministic = absl::GetFlag(FLAGS_deterministic);
  return request;
}

}  // namespace gantry
