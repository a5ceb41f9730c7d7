#include "plan/quantization.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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

std::string StripParameter(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, ".weight")) absl::ConsumeSuffix(&name, ".bias");
  return std::string(name);
}

bool MatchesAny(const std::vector<std::string>& keys, absl::string_view module_name) {
  return std::any_of(keys.begin(), keys.end(), [module_name](const std::string& key) {
    return MatchesModule(key, module_name);
  });
}

}  // namespace

absl::StatusOr<QuantizationOptions> ParseQuantizationOptions(const Json& json,
                                                             absl::string_view origin) {
  QuantizationOptions options;
  const absl::Status status = ParseOptions(json, &options);
  if (!status.ok()) return Annotate(status, origin);
  return options;
}

Scheme SchemeOfDType(DType dtype) {
  if (dtype == DType::kF16) return Scheme::kFp16;
  return dtype == DType::kBF16 ? Scheme::kBf16 : Scheme::kFp32;
}

bool MatchesModule(absl::string_view key, absl::string_view module_name) {
  if (key.empty() || module_name.size() < key.size()) return false;
  if (absl::StartsWith(module_name, key)) {
    return module_name.size() == key.size() || module_name[key.size()] == '.';
  }
  return absl::EndsWith(module_name, key) &&
         module_name[module_name.size() - key.size() - 1] == '.';
}

std::vector<std::string> ModulesToNotConvert(const ModelTree& tree,
                                             const QuantizationOptions& options) {
  std::vector<std::string> modules;
  if (options.has_skip_modules) {
    modules = options.llm_int8_skip_modules;
  } else if (tree.tied.empty() && !tree.output_embedding.empty()) {
    modules = {tree.output_embedding};
  } else {
    std::set<std::string> repeated;
    for (const std::vector<std::string>& group : tree.tied) {
      for (const std::string& name : group) modules.push_back(StripParameter(name));
      repeated.insert(group.begin() + 1, group.end());
    }
    std::string last;
    ForEachTensor(*tree.root, "",
                  [&](const std::string&, const TreeModule&, const std::string& name,
                      const TreeTensor& tensor) {
                    if (!tensor.is_buffer && repeated.count(name) == 0) last = name;
                  });
    modules.push_back(StripParameter(last));
  }
  modules.insert(modules.end(), tree.keep_in_fp32.begin(), tree.keep_in_fp32.end());
  return modules;
}

SchemeRules::SchemeRules(const ModelTree& tree, const WeightFormat& format)
    : format_(format),
      output_embedding_(tree.output_embedding),
      not_converted_(ModulesToNotConvert(tree, format.quantization)) {
  // transformers obeys the list for fp16 and whenever it quantises; bf16 has fp32's range.
  if (format.quantization.quantized() || format.dtype == DType::kF16) {
    keep_in_fp32_ = tree.keep_in_fp32;
  }
}

TensorScheme SchemeRules::Of(absl::string_view module_name, const TreeModule& module,
                             const TreeTensor& tensor) const {
  TensorScheme scheme;
  if (tensor.is_buffer || MatchesAny(keep_in_fp32_, module_name)) return scheme;
  const bool embeds = module.class_name == "Embedding" || module_name == output_embedding_;
  scheme.scheme =
      SchemeOfDType(embeds ? format_.embedding_dtype.value_or(format_.dtype) : format_.dtype);
  const QuantizationOptions& options = format_.quantization;
  if (!options.quantized() || module.class_name != "Linear" || tensor.name != "weight" ||
      MatchesAny(not_converted_, module_name)) {
    return scheme;
  }
  scheme.scheme = options.load_in_8bit ? Scheme::kInt8 : options.bnb_4bit_quant_type;
  scheme.double_quant = options.load_in_4bit && options.bnb_4bit_use_double_quant;
  scheme.has_fp16_weight = options.load_in_8bit && options.llm_int8_has_fp16_weight;
  scheme.block_size = options.block_size;
  return scheme;
}

}  // namespace gantry
