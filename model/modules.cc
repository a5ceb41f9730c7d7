#include "model/modules.h"

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "model/architecture.h"

namespace gantry {
namespace {

// `names` holds one name per element of `rows`, or one name for all of them fused.
LinearSpec MakeLinear(absl::string_view prefix, absl::Span<const absl::string_view> names,
                      absl::Span<const int64_t> rows, int64_t cols, bool bias) {
  LinearSpec linear;
  linear.cols = cols;
  for (const int64_t part : rows) linear.rows += part;
  for (size_t i = 0; i < names.size(); ++i) {
    const int64_t part = names.size() == 1 ? linear.rows : rows[i];
    const std::string name = absl::StrCat(prefix, names[i]);
    linear.weights.push_back({absl::StrCat(name, ".weight"), {part, cols}});
    if (bias) linear.biases.push_back({absl::StrCat(name, ".bias"), {part}});
  }
  return linear;
}

ModuleSpec MakeLayer(const ModelConfig& config, int index) {
  ModuleSpec layer;
  layer.kind = ModuleKind::kLayer;
  layer.layer = index;
  layer.name = absl::StrCat("model.layers.", index);
  const std::string attention = absl::StrCat(layer.name, ".self_attn.");
  const std::string mlp = absl::StrCat(layer.name, ".mlp.");
  const int64_t hidden = config.hidden_size;
  const int64_t q = config.num_heads * config.head_dim;
  const int64_t kv = config.num_kv_heads * config.head_dim;
  const int64_t intermediate = config.intermediate_size;

  layer.input_norm = {absl::StrCat(layer.name, ".input_layernorm.weight"), {hidden}};
  layer.post_attention_norm = {absl::StrCat(layer.name, ".post_attention_layernorm.weight"),
                               {hidden}};
  layer.qkv = MakeLinear(attention, config.architecture->qkv, {q, kv, kv}, hidden, config.qkv_bias);
  layer.o = MakeLinear(attention, {"o_proj"}, {hidden}, q, config.o_bias);
  layer.gate_up = MakeLinear(mlp, config.architecture->gate_up, {intermediate, intermediate},
                             hidden, config.mlp_bias);
  layer.down = MakeLinear(mlp, {"down_proj"}, {hidden}, intermediate, config.mlp_bias);
  return layer;
}

void Append(const LinearSpec& linear, std::vector<TensorSpec>* tensors) {
  tensors->insert(tensors->end(), linear.weights.begin(), linear.weights.end());
  tensors->insert(tensors->end(), linear.biases.begin(), linear.biases.end());
}

}  // namespace

std::vector<ModuleSpec> ListModules(const ModelConfig& config) {
  std::vector<ModuleSpec> modules;
  modules.reserve(config.num_layers + 3);

  ModuleSpec embedding;
  embedding.name = "model.embed_tokens";
  embedding.kind = ModuleKind::kEmbedding;
  embedding.matrix =
      MakeLinear("model.", {"embed_tokens"}, {config.vocab_size}, config.hidden_size, false);

  ModuleSpec norm;
  norm.name = "model.norm";
  norm.kind = ModuleKind::kNorm;
  norm.norm = {"model.norm.weight", {config.hidden_size}};

  ModuleSpec head;
  head.name = "lm_head";
  head.kind = ModuleKind::kLmHead;
  head.matrix = config.tie_word_embeddings
                    ? embedding.matrix
                    : MakeLinear("", {"lm_head"}, {config.vocab_size}, config.hidden_size, false);

  modules.push_back(std::move(embedding));
  for (int i = 0; i < config.num_layers; ++i) modules.push_back(MakeLayer(config, i));
  modules.push_back(std::move(norm));
  modules.push_back(std::move(head));
  return modules;
}

std::vector<TensorSpec> ModuleTensors(const ModuleSpec& module) {
  std::vector<TensorSpec> tensors;
  switch (module.kind) {
    case ModuleKind::kLayer:
      tensors = {module.input_norm, module.post_attention_norm};
      Append(module.qkv, &tensors);
      Append(module.o, &tensors);
      Append(module.gate_up, &tensors);
      Append(module.down, &tensors);
      break;
    case ModuleKind::kEmbedding:
    case ModuleKind::kLmHead:
      Append(module.matrix, &tensors);
      break;
    case ModuleKind::kNorm:
      tensors = {module.norm};
      break;
  }
  return tensors;
}

}  // namespace gantry
