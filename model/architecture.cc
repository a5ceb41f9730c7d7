#include "model/architecture.h"

#include "absl/strings/str_join.h"

namespace gantry {
namespace {

constexpr absl::string_view kQkv[] = {"q_proj", "k_proj", "v_proj"};
constexpr absl::string_view kFusedQkv[] = {"qkv_proj"};
constexpr absl::string_view kGateUp[] = {"gate_proj", "up_proj"};
constexpr absl::string_view kFusedGateUp[] = {"gate_up_proj"};

const Architecture kArchitectures[] = {
    {.name = "LlamaForCausalLM",
     .model_type = "llama",
     .qkv = kQkv,
     .gate_up = kGateUp,
     .optional_bias = true},
    {.name = "MistralForCausalLM",
     .model_type = "mistral",
     .qkv = kQkv,
     .gate_up = kGateUp,
     .window = WindowRule::kAllLayers,
     .default_sliding_window = 4096},
    {.name = "Phi3ForCausalLM",
     .model_type = "phi3",
     .qkv = kFusedQkv,
     .gate_up = kFusedGateUp,
     .partial_rotary = true,
     .window = WindowRule::kAllLayers,
     .default_original_positions = 4096,
     .default_rms_norm_eps = 1e-5},
    {.name = "Qwen2ForCausalLM",
     .model_type = "qwen2",
     .qkv = kQkv,
     .gate_up = kGateUp,
     .qkv_bias = true,
     .window = WindowRule::kByLayer,
     .default_sliding_window = 4096},
};

}  // namespace

const Architecture* FindArchitecture(absl::string_view name) {
  for (const Architecture& row : kArchitectures) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

const Architecture* FindArchitectureByModelType(absl::string_view model_type) {
  for (const Architecture& row : kArchitectures) {
    if (row.model_type == model_type) return &row;
  }
  return nullptr;
}

std::string SupportedArchitectures() {
  return absl::StrJoin(kArchitectures, ", ", [](std::string* out, const Architecture& row) {
    absl::StrAppend(out, row.name);
  });
}

}  // namespace gantry
