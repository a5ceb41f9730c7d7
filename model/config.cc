#include "model/config.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/architecture.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

// Larger than any model there is, and small enough that products of three of them and the number of
// layers stay below 2^63.
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxHidden = int64_t{1} << 20;
constexpr int64_t kMaxIntermediate = int64_t{1} << 22;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxHeads = int64_t{1} << 14;
constexpr int64_t kMaxHeadDim = int64_t{1} << 12;
constexpr int64_t kMaxPositions = int64_t{1} << 30;
constexpr int64_t kDefaultMaxWindowLayers = 28;

absl::Status UnsupportedArchitecture(absl::string_view field, absl::string_view found) {
  return absl::UnimplementedError(absl::StrCat(field, ": \"", Excerpt(found),
                                               "\" is not supported; supported are ",
                                               SupportedArchitectures()));
}

absl::Status ParseArchitecture(const Json& json, ModelConfig* config) {
  GANTRY_ASSIGN_OR_RETURN(config->model_type, GetStringOr(json, "model_type", ""));
  const Json* names = FindMember(json, "architectures");
  if (names == nullptr || (names->is_array() && names->empty())) {
    if (config->model_type.empty()) {
      return WrongField("architectures", absl::StrCat("one of ", SupportedArchitectures()),
                        "nothing");
    }
    config->architecture = FindArchitectureByModelType(config->model_type);
    if (config->architecture == nullptr) {
      return UnsupportedArchitecture("model_type", config->model_type);
    }
  } else {
    if (!names->is_array() || !names->front().is_string()) {
      return WrongField("architectures", "a list of names", ExcerptJson(*names));
    }
    const std::string& name = names->front().get_ref<const std::string&>();
    config->architecture = FindArchitecture(name);
    if (config->architecture == nullptr) return UnsupportedArchitecture("architectures", name);
    if (config->model_type.empty())
      config->model_type = std::string(config->architecture->model_type);
    if (config->model_type != config->architecture->model_type) {
      return WrongField(
          "model_type",
          absl::StrCat("\"", config->architecture->model_type, "\", as architectures says ", name),
          absl::StrCat("\"", Excerpt(config->model_type), "\""));
    }
  }
  config->architecture_name = std::string(config->architecture->name);
  return absl::OkStatus();
}

absl::Status ParseSizes(const Json& json, ModelConfig* config) {
  GANTRY_ASSIGN_OR_RETURN(config->vocab_size, GetInt(json, "vocab_size", 1, kMaxVocab));
  GANTRY_ASSIGN_OR_RETURN(config->hidden_size, GetInt(json, "hidden_size", 1, kMaxHidden));
  GANTRY_ASSIGN_OR_RETURN(config->intermediate_size,
                          GetInt(json, "intermediate_size", 1, kMaxIntermediate));
  GANTRY_ASSIGN_OR_RETURN(config->num_layers, GetInt(json, "num_hidden_layers", 1, kMaxLayers));
  GANTRY_ASSIGN_OR_RETURN(config->num_heads, GetInt(json, "num_attention_heads", 1, kMaxHeads));
  GANTRY_ASSIGN_OR_RETURN(config->num_kv_heads,
                          GetIntOr(json, "num_key_value_heads", 1, kMaxHeads, config->num_heads));
  if (config->num_heads % config->num_kv_heads != 0) {
    return WrongField("num_key_value_heads",
                      absl::StrCat("a divisor of num_attention_heads (", config->num_heads, ")"),
                      absl::StrCat(config->num_kv_heads));
  }
  GANTRY_ASSIGN_OR_RETURN(config->head_dim, GetIntOr(json, "head_dim", 2, kMaxHeadDim, 0));
  if (config->head_dim == 0) {
    if (config->hidden_size % config->num_heads != 0) {
      return WrongField("hidden_size",
                        absl::StrCat("a multiple of num_attention_heads (", config->num_heads,
                                     "), as there is no head_dim"),
                        absl::StrCat(config->hidden_size));
    }
    config->head_dim = config->hidden_size / config->num_heads;
  }
  if (config->head_dim % 2 != 0 || config->head_dim > kMaxHeadDim) {
    return WrongField("head_dim", absl::StrCat("an even number up to ", kMaxHeadDim),
                      absl::StrCat(config->head_dim));
  }
  GANTRY_ASSIGN_OR_RETURN(config->max_position_embeddings,
                          GetInt(json, "max_position_embeddings", 1, kMaxPositions));
  GANTRY_ASSIGN_OR_RETURN(
      config->rms_norm_eps,
      GetDoubleOr(json, "rms_norm_eps", 1e-20, 1, config->architecture->default_rms_norm_eps));
  return absl::OkStatus();
}

absl::StatusOr<Activation> ParseActivation(const Json& json) {
  GANTRY_ASSIGN_OR_RETURN(const std::string name, GetStringOr(json, "hidden_act", "silu"));
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  return absl::UnimplementedError(
      absl::StrCat("hidden_act: \"", Excerpt(name),
                   "\" is not supported; supported are silu, gelu, gelu_new, gelu_pytorch_tanh"));
}

absl::StatusOr<std::optional<DType>> ParseDType(const Json& json) {
  for (const absl::string_view key : {"dtype", "torch_dtype"}) {
    if (FindMember(json, key) == nullptr) continue;
    GANTRY_ASSIGN_OR_RETURN(const std::string name, GetString(json, key));
    if (name == "auto") continue;
    const std::optional<DType> dtype = DTypeFromTorch(name);
    if (dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16) return dtype;
    return absl::UnimplementedError(
        absl::StrCat(key, ": \"", Excerpt(name),
                     "\" is not supported; supported are float32, float16, bfloat16"));
  }
  return std::optional<DType>();
}

// Whether the layer slides, from "layer_types" or else from "max_window_layers".
absl::StatusOr<std::vector<bool>> SlidingLayers(const Json& json, const ModelConfig& config) {
  std::vector<bool> slides(config.num_layers);
  const Json* types = FindMember(json, "layer_types");
  if (types == nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const int64_t first, GetIntOr(json, "max_window_layers", 0,
                                                          kMaxPositions, kDefaultMaxWindowLayers));
    for (int64_t i = first; i < config.num_layers; ++i) slides[i] = true;
    return slides;
  }
  if (!types->is_array() || static_cast<int64_t>(types->size()) != config.num_layers) {
    return WrongField(
        "layer_types", absl::StrCat("a list of ", config.num_layers, " (num_hidden_layers) names"),
        types->is_array() ? absl::StrCat("a list of ", types->size()) : ExcerptJson(*types));
  }
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const Json& type = (*types)[i];
    slides[i] = type == "sliding_attention";
    if (!slides[i] && type != "full_attention") {
      return absl::UnimplementedError(
          absl::StrCat("layer_types: ", ExcerptJson(type),
                       " is not supported; supported are full_attention, sliding_attention"));
    }
  }
  return slides;
}

absl::Status ParseSlidingWindow(const Json& json, ModelConfig* config) {
  config->sliding_window.assign(config->num_layers, 0);
  const WindowRule rule = config->architecture->window;
  if (rule == WindowRule::kNever) return absl::OkStatus();
  // An absent window means the family's default; null means none.
  int64_t window =
      json.contains("sliding_window") ? 0 : config->architecture->default_sliding_window;
  GANTRY_ASSIGN_OR_RETURN(window, GetIntOr(json, "sliding_window", 1, kMaxPositions, window));
  if (rule == WindowRule::kAllLayers) {
    config->sliding_window.assign(config->num_layers, window);
    return absl::OkStatus();
  }
  GANTRY_ASSIGN_OR_RETURN(const bool use, GetBoolOr(json, "use_sliding_window", false));
  if (!use) window = 0;
  GANTRY_ASSIGN_OR_RETURN(const std::vector<bool> slides, SlidingLayers(json, *config));
  const bool named = FindMember(json, "layer_types") != nullptr;
  for (int64_t i = 0; i < config->num_layers; ++i) {
    if (!slides[i]) continue;
    if (named && window == 0) {
      return WrongField("layer_types", "only full_attention, as there is no sliding_window in use",
                        absl::StrCat("sliding_attention for layer ", i));
    }
    config->sliding_window[i] = window;
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelConfig> ParseFields(const Json& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a JSON object, found ", ExcerptJson(json)));
  }
  ModelConfig config;
  GANTRY_RETURN_IF_ERROR(ParseArchitecture(json, &config));
  if (const Json* own = FindMember(json, "quantization_config"); own != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(config.quantization,
                            ParseQuantizationOptions(*own, "quantization_config"));
  }
  GANTRY_RETURN_IF_ERROR(ParseSizes(json, &config));
  GANTRY_ASSIGN_OR_RETURN(config.activation, ParseActivation(json));
  GANTRY_ASSIGN_OR_RETURN(config.tie_word_embeddings,
                          GetBoolOr(json, "tie_word_embeddings", false));
  config.qkv_bias = config.architecture->qkv_bias;
  if (config.architecture->optional_bias) {
    GANTRY_ASSIGN_OR_RETURN(config.qkv_bias, GetBoolOr(json, "attention_bias", false));
    config.o_bias = config.qkv_bias;
    GANTRY_ASSIGN_OR_RETURN(config.mlp_bias, GetBoolOr(json, "mlp_bias", false));
  }
  GANTRY_RETURN_IF_ERROR(ParseSlidingWindow(json, &config));
  GANTRY_ASSIGN_OR_RETURN(config.rope, ParseRopeConfig(json, config));
  GANTRY_ASSIGN_OR_RETURN(config.dtype, ParseDType(json));
  GANTRY_ASSIGN_OR_RETURN(config.eos_token_ids, GetTokenIds(json, "eos_token_id"));
  GANTRY_ASSIGN_OR_RETURN(const std::vector<int32_t> bos, GetTokenIds(json, "bos_token_id"));
  if (!bos.empty()) config.bos_token_id = bos.front();
  return config;
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(const Json& json, absl::string_view origin) {
  absl::StatusOr<ModelConfig> config = ParseFields(json);
  if (!config.ok()) return Annotate(config.status(), origin);
  return config;
}

}  // namespace gantry
