#include "model/quantization_config.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

absl::StatusOr<DType> GetDTypeOr(const Json& json, absl::string_view key,
                                 std::initializer_list<DType> allowed, DType fallback) {
  if (FindMember(json, key) == nullptr) return fallback;
  GANTRY_ASSIGN_OR_RETURN(const std::string name, GetString(json, key));
  const std::optional<DType> dtype = DTypeFromTorch(name);
  if (dtype.has_value() && std::find(allowed.begin(), allowed.end(), *dtype) != allowed.end()) {
    return *dtype;
  }
  return WrongField(key, "a type such as \"bfloat16\"", ExcerptJson(Json(name)));
}

absl::Status ParseSkipModules(const Json& json, QuantizationOptions* options) {
  constexpr absl::string_view kKey = "llm_int8_skip_modules";
  const Json* names = FindMember(json, kKey);
  if (names == nullptr) return absl::OkStatus();
  if (!names->is_array()) return WrongField(kKey, "a list of module names", ExcerptJson(*names));
  for (const Json& name : *names) {
    if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
      return WrongField(kKey, "a list of module names", ExcerptJson(*names));
    }
    options->llm_int8_skip_modules.push_back(name.get<std::string>());
  }
  options->has_skip_modules = true;
  return absl::OkStatus();
}

absl::Status CheckKeys(const Json& json) {
  static const auto* const kKnown = new std::set<std::string>{"quant_method",
                                                              "load_in_8bit",
                                                              "load_in_4bit",
                                                              "_load_in_8bit",
                                                              "_load_in_4bit",
                                                              "llm_int8_threshold",
                                                              "llm_int8_skip_modules",
                                                              "llm_int8_enable_fp32_cpu_offload",
                                                              "llm_int8_has_fp16_weight",
                                                              "bnb_4bit_compute_dtype",
                                                              "bnb_4bit_quant_type",
                                                              "bnb_4bit_use_double_quant",
                                                              "bnb_4bit_quant_storage"};
  if (!json.is_object()) return absl::InvalidArgumentError("expected a JSON object");
  GANTRY_ASSIGN_OR_RETURN(const std::string method,
                          GetStringOr(json, "quant_method", "bitsandbytes"));
  if (method != "bitsandbytes") {
    return absl::UnimplementedError(
        absl::StrCat("quant_method: expected \"bitsandbytes\", found \"", Excerpt(method), "\""));
  }
  for (const auto& entry : json.items()) {
    if (kKnown->count(entry.key()) == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          Excerpt(entry.key()), ": no field of BitsAndBytesConfig; remove it or correct its name"));
    }
  }
  return absl::OkStatus();
}

absl::Status ParseLoadIn(const Json& json, QuantizationOptions* options) {
  for (const auto& [name, flag] : {std::make_pair("load_in_8bit", &options->load_in_8bit),
                                   std::make_pair("load_in_4bit", &options->load_in_4bit)}) {
    GANTRY_ASSIGN_OR_RETURN(*flag, GetBoolOr(json, name, false));
    // transformers writes each of them twice.
    const std::string twin = absl::StrCat("_", name);
    GANTRY_ASSIGN_OR_RETURN(const bool copy, GetBoolOr(json, twin, *flag));
    if (FindMember(json, name) == nullptr) *flag = copy;
    if (copy != *flag) {
      return WrongField(twin, absl::StrCat("the same as ", name), copy ? "true" : "false");
    }
  }
  if (options->load_in_8bit && options->load_in_4bit) {
    return absl::InvalidArgumentError(
        "load_in_4bit and load_in_8bit are both True, but only one can be used at the same time");
  }
  return absl::OkStatus();
}

absl::Status ParseOptions(const Json& json, QuantizationOptions* options) {
  GANTRY_RETURN_IF_ERROR(CheckKeys(json));
  GANTRY_RETURN_IF_ERROR(ParseLoadIn(json, options));
  GANTRY_RETURN_IF_ERROR(ParseSkipModules(json, options));
  const Json* threshold = FindMember(json, "llm_int8_threshold");
  if (threshold != nullptr && threshold->is_number_integer()) {
    return WrongField("llm_int8_threshold", "a number with a point, as transformers does",
                      ExcerptJson(*threshold));
  }
  GANTRY_ASSIGN_OR_RETURN(options->llm_int8_threshold,
                          GetDoubleOr(json, "llm_int8_threshold", 0, 1e30, 6.0));
  GANTRY_ASSIGN_OR_RETURN(options->llm_int8_enable_fp32_cpu_offload,
                          GetBoolOr(json, "llm_int8_enable_fp32_cpu_offload", false));
  GANTRY_ASSIGN_OR_RETURN(options->llm_int8_has_fp16_weight,
                          GetBoolOr(json, "llm_int8_has_fp16_weight", false));
  GANTRY_ASSIGN_OR_RETURN(options->bnb_4bit_use_double_quant,
                          GetBoolOr(json, "bnb_4bit_use_double_quant", false));
  GANTRY_ASSIGN_OR_RETURN(options->bnb_4bit_compute_dtype,
                          GetDTypeOr(json, "bnb_4bit_compute_dtype",
                                     {DType::kF32, DType::kF16, DType::kBF16}, DType::kF32));
  GANTRY_ASSIGN_OR_RETURN(
      options->bnb_4bit_quant_storage,
      GetDTypeOr(json, "bnb_4bit_quant_storage",
                 {DType::kF16, DType::kF32, DType::kI8, DType::kU8, DType::kF64, DType::kBF16},
                 DType::kU8));
  GANTRY_ASSIGN_OR_RETURN(const std::string type, GetStringOr(json, "bnb_4bit_quant_type", "fp4"));
  if (type != "fp4" && type != "nf4") {
    return WrongField("bnb_4bit_quant_type", "\"fp4\" or \"nf4\"", ExcerptJson(Json(type)));
  }
  options->bnb_4bit_quant_type = type == "fp4" ? Scheme::kFp4 : Scheme::kNf4;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<QuantizationOptions> ParseQuantizationOptions(const Json& json,
                                                             absl::string_view origin) {
  QuantizationOptions options;
  const absl::Status status = ParseOptions(json, &options);
  if (!status.ok()) return Annotate(status, origin);
  return options;
}

Json QuantizationOptionsToJson(const QuantizationOptions& options) {
  Json skip;  // null: the default
  if (options.has_skip_modules) skip = options.llm_int8_skip_modules;
  return Json{{"_load_in_4bit", options.load_in_4bit},
              {"_load_in_8bit", options.load_in_8bit},
              {"bnb_4bit_compute_dtype", std::string(TorchName(options.bnb_4bit_compute_dtype))},
              {"bnb_4bit_quant_storage", std::string(TorchName(options.bnb_4bit_quant_storage))},
              {"bnb_4bit_quant_type", std::string(SchemeName(options.bnb_4bit_quant_type))},
              {"bnb_4bit_use_double_quant", options.bnb_4bit_use_double_quant},
              {"llm_int8_enable_fp32_cpu_offload", options.llm_int8_enable_fp32_cpu_offload},
              {"llm_int8_has_fp16_weight", options.llm_int8_has_fp16_weight},
              {"llm_int8_skip_modules", std::move(skip)},
              {"llm_int8_threshold", options.llm_int8_threshold},
              {"load_in_4bit", options.load_in_4bit},
              {"load_in_8bit", options.load_in_8bit},
              {"quant_method", "bitsandbytes"}};
}

}  // namespace gantry
