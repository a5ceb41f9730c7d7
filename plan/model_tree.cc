#include "plan/model_tree.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/architecture.h"
#include "model/config_fields.h"
#include "plan/model_families.h"
#include "plan/tree_config.h"
#include "plan/tree_text.h"
#include "plan/tree_units.h"

namespace gantry {
namespace {

uint64_t CountParameters(const ModelTree& tree) {
  uint64_t count = tree.root->parameters;
  std::set<std::string> repeated;
  for (const auto& group : tree.tied) repeated.insert(group.begin() + 1, group.end());
  for (const std::string& name : repeated) {
    const std::shared_ptr<const TreeModule> module =
        FindModule(tree, absl::string_view(name).substr(0, name.rfind('.')));
    if (module != nullptr) count -= module->tensors[0].elements;
  }
  return count;
}

absl::Status ParseTree(const Json& json, ModelTree* tree) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError("expected a JSON object, as a model's config.json is");
  }
  GANTRY_ASSIGN_OR_RETURN(const ModelFamily* family, FindFamily(json));
  tree->class_name = std::string(family->class_name);
  tree->model_type = std::string(family->model_type);
  tree->served = FindArchitecture(family->class_name) != nullptr;
  tree->base_prefix = std::string(family->base_prefix);
  tree->no_split_classes = {std::string(family->layer_class)};
  if (!family->keep_in_fp32.empty()) tree->keep_in_fp32 = {std::string(family->keep_in_fp32)};
  tree->output_embedding = "lm_head";
  GANTRY_RETURN_IF_ERROR(ParseTreeSizes(json, *family, tree));
  GANTRY_ASSIGN_OR_RETURN(const TreeSymbols symbols, ParseTreeSymbols(json, *family, *tree));
  TreeFromText text = ReadTree(family->tree, symbols);
  tree->root = std::move(text.root);
  tree->tied = std::move(text.tied);
  if (tree->root->parameters > kMaxTreeParameters) {
    return WrongField("config", "a model of at most 2^50 parameters",
                      absl::StrCat(tree->root->parameters, " or more"));
  }
  tree->parameters = CountParameters(*tree);
  GANTRY_ASSIGN_OR_RETURN(const std::vector<int64_t> windows,
                          ParseWindows(json, *family, tree->num_layers));
  FillUnits(windows, text.late, tree);

  const Json* dtype = FindMember(json, "dtype");
  if (dtype == nullptr) dtype = FindMember(json, "torch_dtype");
  if (dtype != nullptr && dtype->is_string()) {
    tree->dtype = DTypeFromTorch(dtype->get<std::string>());
  }
  const Json* auto_map = FindMember(json, "auto_map");
  if (auto_map != nullptr && auto_map->is_object()) {
    for (const auto& entry : auto_map->items()) {
      if (absl::StartsWith(entry.key(), "AutoModelFor")) tree->auto_map_for_head = true;
    }
  }
  const Json* quantization = FindMember(json, "quantization_config");
  if (quantization != nullptr) tree->quantization_config = *quantization;
  return absl::OkStatus();
}

void VisitTensors(const TreeModule& module, const std::string& name, bool buffers,
                  const TensorVisitor& visit) {
  const std::string prefix = name.empty() ? "" : absl::StrCat(name, ".");
  for (const TreeTensor& tensor : module.tensors) {
    if (tensor.is_buffer != buffers) continue;
    visit(name, module, absl::StrCat(prefix, tensor.name), tensor);
  }
  for (const TreeChild& child : module.children) {
    VisitTensors(*child.module, absl::StrCat(prefix, child.name), buffers, visit);
  }
}

}  // namespace

std::string KnownFamilies() {
  return absl::StrJoin(ModelFamilies(), ", ", [](std::string* out, const ModelFamily& family) {
    absl::StrAppend(out, family.title);
  });
}

absl::StatusOr<ModelTree> BuildModelTree(const Json& config, absl::string_view origin) {
  ModelTree tree;
  const absl::Status status = ParseTree(config, &tree);
  if (!status.ok()) return Annotate(status, origin);
  return tree;
}

ModelTree WithoutHead(const ModelTree& tree) {
  ModelTree base = tree;
  const std::string prefix = tree.base_prefix.empty() ? "" : absl::StrCat(tree.base_prefix, ".");
  if (!prefix.empty()) {
    base.root = FindModule(tree, tree.base_prefix);
  } else {
    auto root = std::make_shared<TreeModule>(*tree.root);
    root->children.clear();
    for (const TreeChild& child : tree.root->children) {
      if (child.name != tree.output_embedding) {
        root->children.push_back(child);
      } else {
        root->parameters -= child.module->parameters;
      }
    }
    base.root = std::move(root);
  }
  base.base_prefix = "";
  base.output_embedding = "";
  const std::string head = absl::StrCat(tree.output_embedding, ".");
  const auto in_base = [&](const std::string& name) {
    return prefix.empty() ? !absl::StartsWith(name, head) : absl::StartsWith(name, prefix);
  };
  base.tied.clear();
  for (const std::vector<std::string>& group : tree.tied) {
    std::vector<std::string> kept;
    for (const std::string& name : group) {
      if (in_base(name)) kept.push_back(name.substr(prefix.size()));
    }
    if (kept.size() > 1) base.tied.push_back(std::move(kept));
  }
  base.units.clear();
  for (const PlanUnit& unit : tree.units) {
    if (unit.kind == UnitKind::kLmHead) continue;
    base.units.push_back(unit);
    base.units.back().name = unit.name.substr(prefix.size());
  }
  base.parameters = CountParameters(base);
  return base;
}

void ForEachTensor(const TreeModule& root, const std::string& prefix, const TensorVisitor& visit) {
  VisitTensors(root, prefix, false, visit);
  VisitTensors(root, prefix, true, visit);
}

std::shared_ptr<const TreeModule> FindModule(const ModelTree& tree, absl::string_view name) {
  std::shared_ptr<const TreeModule> module = tree.root;
  if (name.empty()) return module;
  for (absl::string_view part : absl::StrSplit(name, '.')) {
    const auto child = std::find_if(module->children.begin(), module->children.end(),
                                    [part](const TreeChild& c) { return c.name == part; });
    if (child == module->children.end()) return nullptr;
    module = child->module;
  }
  return module;
}

}  // namespace gantry
