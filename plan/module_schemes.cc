#include "plan/module_schemes.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

std::vector<const LinearSpec*> Linears(const ModuleSpec& module) {
  return {&module.qkv, &module.o, &module.gate_up, &module.down, &module.matrix};
}

// Where the tree has the weight: a tied lm_head holds the embedding's tensor under its own name.
std::string OwnerOf(const ModuleSpec& module, const TensorSpec& tensor) {
  if (module.kind != ModuleKind::kLayer) return module.name;
  return std::string(absl::StripSuffix(tensor.name, ".weight"));
}

absl::StatusOr<TensorScheme> SchemeOf(const ModelTree& tree, const SchemeRules& rules,
                                      const ModuleSpec& module, const TensorSpec& tensor) {
  const std::string owner = OwnerOf(module, tensor);
  const std::shared_ptr<const TreeModule> found = FindModule(tree, owner);
  if (found == nullptr || found->tensors.empty()) {
    return absl::InternalError(absl::StrCat("the planner's tree has no weight in ", owner));
  }
  return rules.Of(owner, *found, found->tensors[0]);
}

absl::StatusOr<ModuleSchemes> SchemesOf(const ModelTree& tree, const SchemeRules& rules,
                                        const ModuleSpec& module) {
  ModuleSchemes schemes;
  TensorScheme rest;
  const std::optional<DType> embedding = rules.format().embedding_dtype;
  rest.scheme =
      SchemeOfDType(module.kind == ModuleKind::kLayer ? rules.format().dtype
                                                      : embedding.value_or(rules.format().dtype));
  schemes.rest = rest.scheme;
  for (const LinearSpec* linear : Linears(module)) {
    TensorScheme first;
    for (const TensorSpec& tensor : linear->weights) {
      GANTRY_ASSIGN_OR_RETURN(const TensorScheme scheme, SchemeOf(tree, rules, module, tensor));
      if (&tensor == &linear->weights.front()) first = scheme;
      if (scheme != first) {
        return absl::InvalidArgumentError(
            absl::StrCat("llm_int8_skip_modules: ", linear->weights.front().name, " would be ",
                         std::string(SchemeName(first.scheme)), " and ", tensor.name, " ",
                         std::string(SchemeName(scheme.scheme)),
                         ", but they are one product here; name all of its parts or none"));
      }
      if (scheme != rest) schemes.weights.emplace_back(tensor.name, scheme);
    }
  }
  return schemes;
}

}  // namespace

TensorScheme ModuleSchemes::Of(absl::string_view tensor) const {
  for (const auto& [name, scheme] : weights) {
    if (name == tensor) return scheme;
  }
  TensorScheme scheme;
  scheme.scheme = rest;
  return scheme;
}

Scheme ModuleSchemes::Main(const ModuleSpec& module) const {
  Scheme scheme = rest;
  int64_t most = 0;
  for (const LinearSpec* linear : Linears(module)) {
    if (linear->weights.empty() || linear->rows * linear->cols <= most) continue;
    most = linear->rows * linear->cols;
    scheme = Of(linear->weights.front().name).scheme;
  }
  return scheme;
}

absl::StatusOr<ModelSchemes> MakeModelSchemes(const ModelTree& tree,
                                              const std::vector<ModuleSpec>& modules,
                                              const ServingFormat& format) {
  ModelSchemes schemes;
  schemes.format = format;
  for (const MemoryKind kind : {MemoryKind::kGpu, MemoryKind::kCpu}) {
    const SchemeRules rules(tree, format.Weights(kind));
    for (const ModuleSpec& module : modules) {
      GANTRY_ASSIGN_OR_RETURN(ModuleSchemes one, SchemesOf(tree, rules, module));
      schemes.modules[static_cast<int>(kind)].push_back(std::move(one));
    }
  }
  return schemes;
}

}  // namespace gantry
