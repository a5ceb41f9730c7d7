#include "plan/model_tree.h"

#include <algorithm>
#include <initializer_list>
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
#include "plan/tree_text.h"

namespace gantry {
namespace {

using Keys = std::initializer_list<absl::string_view>;

// The first of `keys` that the object has: families name the same number differently.
absl::string_view PresentKey(const Json& json, Keys keys) {
  for (absl::string_view key : keys) {
    if (FindMember(json, key) != nullptr) return key;
  }
  return *keys.begin();
}

absl::StatusOr<int64_t> Required(const Json& json, Keys keys, int64_t max = kMaxTreeDimension) {
  return GetInt(json, PresentKey(json, keys), 1, max);
}

absl::StatusOr<int64_t> Optional(const Json& json, Keys keys, int64_t fallback,
                                 int64_t max = kMaxTreeDimension) {
  return GetIntOr(json, PresentKey(json, keys), 1, max, fallback);
}

absl::StatusOr<const ModelFamily*> FindFamily(const Json& json) {
  GANTRY_ASSIGN_OR_RETURN(const std::string model_type, GetStringOr(json, "model_type", ""));
  std::string class_name;
  const Json* names = FindMember(json, "architectures");
  if (names != nullptr && names->is_array() && !names->empty() && (*names)[0].is_string()) {
    class_name = (*names)[0].get<std::string>();
  }
  for (const ModelFamily& family : ModelFamilies()) {
    if (family.model_type == model_type) return &family;
    if (model_type.empty() && family.class_name == class_name) return &family;
  }
  return absl::UnimplementedError(absl::StrCat(
      "model_type: expected a family that can be planned (", KnownFamilies(), "), found \"",
      Excerpt(model_type), "\"", class_name.empty() ? "" : ", architecture ", Excerpt(class_name)));
}

absl::Status ParseHeads(const Json& json, const ModelFamily& family, ModelTree* tree) {
  GANTRY_ASSIGN_OR_RETURN(tree->num_heads,
                          Required(json, {"num_attention_heads", "n_head", "num_heads"}));
  const int64_t default_kv =
      family.default_kv_heads > 0 ? family.default_kv_heads : tree->num_heads;
  GANTRY_ASSIGN_OR_RETURN(tree->num_kv_heads, Optional(json, {"num_key_value_heads"}, default_kv));
  const int64_t default_dim =
      family.default_head_dim > 0 ? family.default_head_dim : tree->hidden_size / tree->num_heads;
  GANTRY_ASSIGN_OR_RETURN(tree->head_dim, Optional(json, {"head_dim", "d_kv"}, default_dim));
  if (tree->head_dim == 0 || tree->num_heads * tree->head_dim > kMaxTreeDimension) {
    return WrongField("num_attention_heads", "heads that share out hidden_size",
                      absl::StrCat(tree->num_heads));
  }
  if (tree->num_heads % tree->num_kv_heads != 0) {
    return WrongField("num_key_value_heads", absl::StrCat("a divisor of ", tree->num_heads),
                      absl::StrCat(tree->num_kv_heads));
  }
  return absl::OkStatus();
}

// Sizes that ModelTree keeps.
absl::Status ParseSizes(const Json& json, const ModelFamily& family, ModelTree* tree) {
  GANTRY_ASSIGN_OR_RETURN(tree->vocab_size, Required(json, {"vocab_size"}));
  GANTRY_ASSIGN_OR_RETURN(tree->hidden_size, Required(json, {"hidden_size", "n_embed", "d_model"}));
  const bool is_t5 = family.model_type == "t5";
  GANTRY_ASSIGN_OR_RETURN(
      tree->num_layers,
      Required(json, {is_t5 ? "num_decoder_layers" : "num_hidden_layers", "n_layer", "num_layers"},
               kMaxTreeLayers));
  if (is_t5) {
    GANTRY_ASSIGN_OR_RETURN(tree->num_encoder_layers,
                            Required(json, {"num_layers"}, kMaxTreeLayers));
  }
  GANTRY_RETURN_IF_ERROR(ParseHeads(json, family, tree));
  if (family.model_type == "bloom") {
    tree->intermediate_size = 4 * tree->hidden_size;
  } else {
    GANTRY_ASSIGN_OR_RETURN(tree->intermediate_size,
                            Required(json, {"intermediate_size", "ffn_dim", "d_ff"}));
  }
  if (family.model_type == "mixtral") {
    GANTRY_ASSIGN_OR_RETURN(tree->num_experts,
                            Optional(json, {"num_local_experts"}, 8, kMaxTreeExperts));
    GANTRY_ASSIGN_OR_RETURN(tree->experts_per_token,
                            GetIntOr(json, "num_experts_per_tok", 1, tree->num_experts, 2));
    if (tree->num_experts * tree->num_layers > kMaxTreeLayerExperts) {
      return WrongField("num_local_experts", "at most 65536 experts in all layers",
                        absl::StrCat(tree->num_experts, " in each of ", tree->num_layers));
    }
  }
  // T5 and BLOOM know positions by their distance, without a limit.
  if (!is_t5 && family.model_type != "bloom") {
    GANTRY_ASSIGN_OR_RETURN(tree->max_positions, Optional(json, {"max_position_embeddings"}, 2048));
  }
  return absl::OkStatus();
}

absl::StatusOr<TreeSymbols> ParseSymbols(const Json& json, const ModelFamily& family,
                                         const ModelTree& tree) {
  const int64_t q = tree.num_heads * tree.head_dim;
  const int64_t kv = tree.num_kv_heads * tree.head_dim;
  TreeSymbols symbols = {
      {"vocab", tree.vocab_size},
      {"hidden", tree.hidden_size},
      {"inter", tree.intermediate_size},
      {"two_inter", 2 * tree.intermediate_size},
      {"layers", tree.num_layers},
      {"encoder_layers", tree.num_encoder_layers},
      {"heads", tree.num_heads},
      {"q", q},
      {"kv", kv},
      {"qkv", q + 2 * kv},
      {"experts", tree.num_experts},
      {"positions_and_2", tree.max_positions + 2},
  };
  double rotary_share = 1;
  if (family.model_type == "phi3") {
    GANTRY_ASSIGN_OR_RETURN(rotary_share, GetDoubleOr(json, "partial_rotary_factor", 0.001, 1, 1));
  }
  symbols["half_rotary"] = static_cast<int64_t>(tree.head_dim * rotary_share) / 2;
  GANTRY_ASSIGN_OR_RETURN(symbols["buckets"],
                          Optional(json, {"relative_attention_num_buckets"}, 32));
  GANTRY_ASSIGN_OR_RETURN(symbols["word_embed"],
                          Optional(json, {"word_embed_proj_dim"}, tree.hidden_size));
  symbols["projects"] = symbols["word_embed"] != tree.hidden_size;
  const std::pair<absl::string_view, bool> flags[] = {
      {"tie_word_embeddings", family.ties_by_default},
      {"attention_bias", false},
      {"mlp_bias", false},
      {"enable_bias", true},
      {"do_layer_norm_before", true},
      {"_remove_final_layer_norm", false}};
  for (const auto& [name, fallback] : flags) {
    GANTRY_ASSIGN_OR_RETURN(const bool value, GetBoolOr(json, name, fallback));
    symbols[std::string(name)] = value;
  }
  symbols["tied"] = symbols["tie_word_embeddings"];
  symbols["final_norm"] =
      symbols["do_layer_norm_before"] != 0 && symbols["_remove_final_layer_norm"] == 0;
  GANTRY_ASSIGN_OR_RETURN(const std::string feed_forward,
                          GetStringOr(json, "feed_forward_proj", "relu"));
  symbols["gated"] = absl::StartsWith(feed_forward, "gated-");
  symbols["ungated"] = 1 - symbols["gated"];
  return symbols;
}

absl::StatusOr<std::vector<int64_t>> ParseWindows(const Json& json, const ModelFamily& family,
                                                  int64_t num_layers) {
  std::vector<int64_t> windows(num_layers, 0);
  if (family.window == WindowPattern::kNone) return windows;
  const int64_t fallback = family.window == WindowPattern::kEveryOther ? 4096 : 0;
  GANTRY_ASSIGN_OR_RETURN(const int64_t window, Optional(json, {"sliding_window"}, fallback));
  const Json* types = FindMember(json, "layer_types");
  if (types != nullptr && !(types->is_array() && types->size() == windows.size())) {
    return WrongField("layer_types", absl::StrCat("a list of ", num_layers), ExcerptJson(*types));
  }
  int64_t first_window = 0;
  if (family.window == WindowPattern::kIfUsed) {
    GANTRY_ASSIGN_OR_RETURN(const bool used, GetBoolOr(json, "use_sliding_window", false));
    GANTRY_ASSIGN_OR_RETURN(first_window,
                            GetIntOr(json, "max_window_layers", 0, kMaxTreeDimension, 28));
    if (!used) first_window = num_layers;
  }
  for (int64_t i = 0; i < num_layers; ++i) {
    bool slides = i >= first_window;
    if (family.window == WindowPattern::kEveryOther) slides = i % 2 == 0;
    if (types != nullptr) slides = (*types)[i] == "sliding_attention";
    if (slides) windows[i] = window;
  }
  return windows;
}

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

absl::Status FillUnits(const Json& json, const ModelFamily& family,
                       const std::set<std::string>& late, ModelTree* tree) {
  GANTRY_ASSIGN_OR_RETURN(const std::vector<int64_t> windows,
                          ParseWindows(json, family, tree->num_layers));
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
  return absl::OkStatus();
}

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
  GANTRY_RETURN_IF_ERROR(ParseSizes(json, *family, tree));
  GANTRY_ASSIGN_OR_RETURN(const TreeSymbols symbols, ParseSymbols(json, *family, *tree));
  TreeFromText text = ReadTree(family->tree, symbols);
  tree->root = std::move(text.root);
  tree->tied = std::move(text.tied);
  if (tree->root->parameters > kMaxTreeParameters) {
    return WrongField("config", "a model of at most 2^50 parameters",
                      absl::StrCat(tree->root->parameters, " or more"));
  }
  tree->parameters = CountParameters(*tree);
  GANTRY_RETURN_IF_ERROR(FillUnits(json, *family, text.late, tree));

  const Json* dtype = FindMember(json, PresentKey(json, {"dtype", "torch_dtype"}));
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
