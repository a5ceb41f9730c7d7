#include "plan/tree_config.h"

#include <initializer_list>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/config_fields.h"

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

}  // namespace

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

absl::Status ParseTreeSizes(const Json& json, const ModelFamily& family, ModelTree* tree) {
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

absl::StatusOr<TreeSymbols> ParseTreeSymbols(const Json& json, const ModelFamily& family,
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

}  // namespace gantry
