#include "plan/tree_units.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

uint64_t ActiveParameters(const ModelTree& tree, const TreeModule& module) {
  if (absl::StrContains(module.class_name, "Embedding")) return 0;
  uint64_t sum = 0;
  for (const TreeTensor& tensor : module.tensors) sum += tensor.is_buffer ? 0 : tensor.elements;
  for (const TreeChild& child : module.children) {
    uint64_t active = ActiveParameters(tree, *child.module);
    if (child.name == "experts") active = active / tree.num_experts * tree.experts_per_token;
    sum += active;
  }
  return sum;
}

UnitKind KindOf(const ModelTree& tree, const std::string& name, const TreeModule& module) {
  if (module.class_name == tree.no_split_classes[0]) {
    return absl::StartsWith(name, "encoder.") ? UnitKind::kEncoderLayer : UnitKind::kDecoderLayer;
  }
  if (name == tree.output_embedding) return UnitKind::kLmHead;
  if (absl::EndsWith(module.class_name, "RotaryEmbedding")) return UnitKind::kRotary;
  if (absl::StrContains(module.class_name, "Embedding")) return UnitKind::kEmbedding;
  return module.class_name == "Linear" ? UnitKind::kProjection : UnitKind::kNorm;
}

// Modules that are placed as a whole, as registered but for those that run late. What is another
// embedding's alias is no unit of its own; the head is.
void ListUnits(const ModelTree& tree, const std::set<std::string>& late, const std::string& name,
               const std::shared_ptr<const TreeModule>& module, std::vector<PlanUnit>* units) {
  if (module->children.empty() || module->class_name == tree.no_split_classes[0]) {
    if (module->tensors.empty() && module->children.empty()) return;
    PlanUnit unit{name, KindOf(tree, name, *module), module};
    const std::string weight = absl::StrCat(name, ".weight");
    for (const std::vector<std::string>& group : tree.tied) {
      if (unit.kind == UnitKind::kLmHead) continue;
      if (std::find(group.begin() + 1, group.end(), weight) != group.end()) return;
    }
    unit.active_parameters = ActiveParameters(tree, *module);
    units->push_back(std::move(unit));
    return;
  }
  std::vector<const TreeChild*> order;
  std::vector<const TreeChild*> last;
  for (const TreeChild& child : module->children) {
    const bool is_late = late.count(absl::StrCat(name, ".", child.name)) > 0;
    (is_late ? last : order).push_back(&child);
  }
  // The norm is registered behind the projection out and runs before it.
  order.insert(order.end(), last.rbegin(), last.rend());
  for (const TreeChild* child : order) {
    ListUnits(tree, late, name.empty() ? child->name : absl::StrCat(name, ".", child->name),
              child->module, units);
  }
}

}  // namespace

void FillUnits(const std::vector<int64_t>& windows, const std::set<std::string>& late,
               ModelTree* tree) {
  std::vector<PlanUnit>& units = tree->units;
  ListUnits(*tree, late, "", tree->root, &units);
  // Registered last, and needed by every layer.
  const auto rotary = std::find_if(units.begin(), units.end(), [](const PlanUnit& unit) {
    return unit.kind == UnitKind::kRotary;
  });
  if (rotary != units.end()) std::rotate(units.begin() + 1, rotary, rotary + 1);
  const uint64_t kv = 2 * tree->num_kv_heads * tree->head_dim;
  size_t layer = 0;
  for (PlanUnit& unit : tree->units) {
    if (unit.kind != UnitKind::kDecoderLayer) continue;
    unit.window = windows[layer++];
    unit.kv_elements_per_token = kv;
    if (tree->num_encoder_layers > 0) unit.cross_kv_elements_per_token = kv;
  }
  for (PlanUnit& unit : tree->units) {
    if (unit.kind != UnitKind::kLmHead) continue;
    for (const std::vector<std::string>& group : tree->tied) {
      if (std::find(group.begin(), group.end(), unit.name + ".weight") == group.end()) continue;
      for (size_t u = 0; u < tree->units.size(); ++u) {
        if (tree->units[u].name + ".weight" == group[0]) unit.tied_unit = static_cast<int>(u);
      }
    }
  }
}

}  // namespace gantry
