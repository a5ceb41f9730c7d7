#include "plan/serving_request.h"

#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

// A field as the user wrote it: "--bnb_4bit_quant_type", "bnb.json: bnb_4bit_quant_type".
std::string Written(const ServingRequest& request, absl::string_view field) {
  return request.quantization_config.empty()
             ? absl::StrCat("--", field)
             : absl::StrCat(request.quantization_config, ": ", field);
}

absl::string_view Bits(const QuantizationOptions& options) {
  return options.load_in_8bit ? "8" : "4";
}

std::string Yes(bool value) { return value ? "true" : "false"; }

std::string SkipText(const QuantizationOptions& options) {
  if (!options.has_skip_modules) return "the default";
  return absl::StrCat("[", absl::StrJoin(options.llm_int8_skip_modules, ","), "]");
}

// The options that say how a checkpoint's weights are stored.
struct StoredField {
  absl::string_view name;
  bool four_bit;   // it means something for a 4-bit checkpoint
  bool eight_bit;  // for an 8-bit one
  std::function<std::string(const QuantizationOptions&)> text;
};

const std::vector<StoredField>& StoredFields() {
  using Options = QuantizationOptions;
  static const auto* const kFields = new std::vector<StoredField>{
      {"load_in_8bit", true, true, [](const Options& o) { return Yes(o.load_in_8bit); }},
      {"load_in_4bit", true, true, [](const Options& o) { return Yes(o.load_in_4bit); }},
      {"llm_int8_skip_modules", true, true, SkipText},
      {"llm_int8_has_fp16_weight", false, true,
       [](const Options& o) { return Yes(o.llm_int8_has_fp16_weight); }},
      {"bnb_4bit_quant_type", true, false,
       [](const Options& o) { return std::string(SchemeName(o.bnb_4bit_quant_type)); }},
      {"bnb_4bit_use_double_quant", true, false,
       [](const Options& o) { return Yes(o.bnb_4bit_use_double_quant); }},
      {"bnb_4bit_quant_storage", true, false,
       [](const Options& o) { return std::string(TorchName(o.bnb_4bit_quant_storage)); }},
  };
  return *kFields;
}

absl::StatusOr<QuantizationOptions> OptionsOfCheckpoint(const ModelTree& tree,
                                                        absl::string_view model) {
  absl::StatusOr<QuantizationOptions> own = ParseQuantizationOptions(
      *tree.quantization_config, absl::StrCat(model, ": quantization_config"));
  if (absl::IsInvalidArgument(own.status())) return absl::DataLossError(own.status().message());
  return own;
}

absl::Status CheckAgainstCheckpoint(const ServingRequest& request, const QuantizationOptions& own,
                                    absl::string_view model) {
  for (const StoredField& field : StoredFields()) {
    if (request.given.count(std::string(field.name)) == 0) continue;
    if (!(own.load_in_4bit ? field.four_bit : field.eight_bit)) continue;
    const std::string wanted = field.text(request.quantization);
    const std::string stored = field.text(own);
    if (wanted == stored) continue;
    // "true" by itself says of nothing what it is.
    const std::string what =
        stored == Yes(true) || stored == Yes(false) ? absl::StrCat(field.name, " ") : "";
    return absl::InvalidArgumentError(absl::StrCat(
        Written(request, field.name), ": the checkpoint ", model, " is already quantised to ",
        Bits(own), " bits, with ", what, stored, ", and cannot be loaded with ", wanted,
        "; leave it out, or give a checkpoint that is not quantised"));
  }
  return absl::OkStatus();
}

// What the field would need to have an effect; "": nothing.
std::string Needed(absl::string_view field, const ServingRequest& request,
                   const ServingFormat& format) {
  const QuantizationOptions& options = format.weights.quantization;
  const OffloadDType offload = format.offload_dtype.value_or(OffloadDType::kFloat32);
  const bool four_bit = options.load_in_4bit || offload == OffloadDType::kNf4;
  const bool eight_bit = options.load_in_8bit || offload == OffloadDType::kInt8;
  if (field == "bnb_4bit_use_double_quant" && !options.bnb_4bit_use_double_quant) return "";
  if (field == "llm_int8_has_fp16_weight" && !options.llm_int8_has_fp16_weight) return "";
  // What CPUs hold is nf4 by its own name.
  if (field == "bnb_4bit_quant_type" && !options.load_in_4bit) return "--load_in_4bit";
  if (absl::StartsWith(field, "bnb_4bit_") && !four_bit) return "--load_in_4bit";
  if (field == "llm_int8_threshold" || field == "llm_int8_has_fp16_weight" ||
      field == "llm_int8_outliers") {
    if (eight_bit) return "";
    if (request.quantization_config.empty()) return "--load_in_8bit";
    return absl::StrCat("load_in_8bit in ", request.quantization_config);
  }
  const bool quantises = four_bit || eight_bit;
  if (field == "llm_int8_skip_modules" && !quantises) return "--load_in_8bit or --load_in_4bit";
  return "";
}

// Refuses what nothing would come of.
absl::Status CheckEffects(const ServingRequest& request, const ServingFormat& format,
                          absl::string_view model) {
  const QuantizationOptions& options = format.weights.quantization;
  for (const std::string& field : request.given) {
    // A file has all fields, whether they mean something or not; this one is a flag beside it.
    if (!request.quantization_config.empty() && field != "llm_int8_outliers") continue;
    const std::string needed = Needed(field, request, format);
    if (needed.empty()) continue;
    if (format.checkpoint_quantization) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", field, ": the checkpoint ", model, " is already quantised to ",
                       Bits(options), " bits, where this has no effect; leave it out"));
    }
    return absl::InvalidArgumentError(absl::StrCat("--", field, ": has no effect without ", needed,
                                                   "; add that, or leave this out"));
  }
  if (request.outliers_per_batch && options.llm_int8_threshold == 0) {
    return absl::InvalidArgumentError(
        "--llm_int8_outliers=batch: has no effect with an llm_int8_threshold of 0, under which "
        "there are no outliers; give another, or leave this out");
  }
  return absl::OkStatus();
}

// A checkpoint's own codes are what a CPU can hold beside floats.
absl::Status CheckOffloadOfQuantised(const ServingRequest& request,
                                     const QuantizationOptions& own) {
  const OffloadDType offload = request.offload_dtype.value_or(OffloadDType::kFloat32);
  const bool wants_nf4 = offload == OffloadDType::kNf4;
  if (!wants_nf4 && offload != OffloadDType::kInt8) return absl::OkStatus();
  const std::string stored(SchemeName(own.load_in_8bit ? Scheme::kInt8 : own.bnb_4bit_quant_type));
  if (stored == OffloadDTypeName(offload)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--offload_dtype: the checkpoint is already quantised to ", stored,
                   " and is not quantised again to ", std::string(OffloadDTypeName(offload)),
                   "; use auto, float32 or bfloat16"));
}

}  // namespace

absl::StatusOr<ServingFormat> ResolveServingFormat(const ServingRequest& request,
                                                   const ModelTree& tree, absl::string_view model) {
  ServingFormat format;
  format.weights.dtype = request.dtype.value_or(tree.dtype.value_or(DType::kF32));
  format.weights.quantization = request.quantization;
  format.offload_dtype = request.offload_dtype;
  format.kv_cache_dtype = request.kv_cache_dtype;
  format.outliers_per_batch = request.outliers_per_batch;
  format.deterministic = request.deterministic;
  if (tree.quantization_config.has_value()) {
    GANTRY_ASSIGN_OR_RETURN(QuantizationOptions own, OptionsOfCheckpoint(tree, model));
    if (own.quantized()) {
      GANTRY_RETURN_IF_ERROR(CheckAgainstCheckpoint(request, own, model));
      GANTRY_RETURN_IF_ERROR(CheckOffloadOfQuantised(request, own));
      if (request.given.count("bnb_4bit_compute_dtype") > 0) {
        own.bnb_4bit_compute_dtype = request.quantization.bnb_4bit_compute_dtype;
      }
      if (request.given.count("llm_int8_threshold") > 0) {
        own.llm_int8_threshold = request.quantization.llm_int8_threshold;
      }
      own.llm_int8_enable_fp32_cpu_offload |= request.quantization.llm_int8_enable_fp32_cpu_offload;
      format.weights.quantization = std::move(own);
      format.checkpoint_quantization = true;
    }
  }
  GANTRY_RETURN_IF_ERROR(CheckEffects(request, format, model));
  // A file, and a checkpoint's own options, may have names for other models too.
  if (request.given.count("llm_int8_skip_modules") > 0 && request.quantization_config.empty() &&
      !format.checkpoint_quantization) {
    GANTRY_RETURN_IF_ERROR(CheckSkipModules(tree, request.quantization.llm_int8_skip_modules));
  }
  return format;
}

}  // namespace gantry
