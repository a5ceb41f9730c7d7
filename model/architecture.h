#ifndef GANTRY_MODEL_ARCHITECTURE_H_
#define GANTRY_MODEL_ARCHITECTURE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace gantry {

// Which layers attend through `sliding_window`.
enum class WindowRule {
  kNever,
  kAllLayers,
  kByLayer,  // only with use_sliding_window: by layer_types, else from max_window_layers upwards
};

// A family of decoders: pre-norm RMSNorm, rotary attention, gated MLP. What tells the families
// apart is data, read by config.cc and modules.cc; a new family is a row of the table and a test.
struct Architecture {
  absl::string_view name;        // as in config.json's "architectures"
  absl::string_view model_type;  // as in config.json's "model_type"
  // Tensors of the layer, below "self_attn." and "mlp.", whose rows follow each other in one
  // product. One name: the checkpoint holds them fused.
  absl::Span<const absl::string_view> qkv;
  absl::Span<const absl::string_view> gate_up;
  bool qkv_bias = false;        // q, k and v always have a bias
  bool optional_bias = false;   // "attention_bias" and "mlp_bias" are obeyed
  bool partial_rotary = false;  // "partial_rotary_factor" is obeyed
  WindowRule window = WindowRule::kNever;
  // Values of fields that config.json leaves out, from the family's configuration class in
  // transformers. 0: no default.
  int64_t default_sliding_window = 0;
  int64_t default_original_positions = 0;
  double default_rms_norm_eps = 1e-6;
};

// The row for a name, or null.
const Architecture* FindArchitecture(absl::string_view name);
const Architecture* FindArchitectureByModelType(absl::string_view model_type);

// "LlamaForCausalLM, MistralForCausalLM, ...", for errors.
std::string SupportedArchitectures();

}  // namespace gantry

#endif  // GANTRY_MODEL_ARCHITECTURE_H_
