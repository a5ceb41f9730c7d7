#ifndef GANTRY_MODEL_CONFIG_H_
#define GANTRY_MODEL_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "base/json.h"
#include "model/quantization_config.h"

namespace gantry {

struct Architecture;

// Rotary embedding as `rope_parameters` (transformers 5) or `rope_theta` + `rope_scaling` say.
struct RopeConfig {
  enum class Type { kDefault, kLinear, kDynamic, kLlama3, kLongRope };
  Type type = Type::kDefault;
  double theta = 10000;
  double partial_rotary_factor = 1;  // share of head_dim that is rotated
  double factor = 1;
  double low_freq_factor = 1;   // llama3
  double high_freq_factor = 4;  // llama3
  int64_t original_max_position_embeddings = 0;
  std::vector<double> short_factor;  // longrope: [rotary_dim / 2]
  std::vector<double> long_factor;
  std::optional<double> attention_factor;
};

enum class Activation { kSilu, kGelu, kGeluTanh };

// What config.json says, checked: every number lies in a range that later arithmetic cannot
// overflow.
struct ModelConfig {
  const Architecture* architecture = nullptr;  // row of the table; never null once parsed
  std::string architecture_name;               // "LlamaForCausalLM"
  std::string model_type;                      // "llama"
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  Activation activation = Activation::kSilu;
  bool tie_word_embeddings = false;
  bool qkv_bias = false;
  bool o_bias = false;
  bool mlp_bias = false;
  std::vector<int64_t> sliding_window;  // [num_layers]; 0: full attention
  RopeConfig rope;
  std::optional<DType> dtype;                       // of the checkpoint, if config.json says
  std::optional<QuantizationOptions> quantization;  // quantization_config, if there is one
  std::vector<int32_t> eos_token_ids;
  std::optional<int32_t> bos_token_id;
};

// `origin` names the file in errors. INVALID_ARGUMENT "ORIGIN: FIELD: expected ..., found ..." for
// a value that is missing, of a wrong type or out of range; UNIMPLEMENTED, listing what is
// supported, for an unknown architecture, rope type, activation, or a setting that would change the
// arithmetic and is not implemented.
absl::StatusOr<ModelConfig> ParseModelConfig(const Json& json, absl::string_view origin);

}  // namespace gantry

#endif  // GANTRY_MODEL_CONFIG_H_
