#include "plan/quantization.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

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

absl::Status CheckSkipModules(const ModelTree& tree, const std::vector<std::string>& keys) {
  std::vector<std::string> left = keys;
  ForEachTensor(*tree.root, "",
                [&left](const std::string& module_name, const TreeModule&, const std::string&,
                        const TreeTensor&) {
                  std::erase_if(left, [&module_name](const std::string& key) {
                    return MatchesModule(key, module_name);
                  });
                });
  if (left.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--llm_int8_skip_modules: no module is named \"", Excerpt(left[0]),
      "\"; expected a full name, or what it begins or ends with at a dot, such as model.layers.0 "
      "or down_proj"));
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
  return scheme;
}

}  // namespace gantry
