#ifndef GANTRY_MODEL_MODULES_H_
#define GANTRY_MODEL_MODULES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace gantry {

// A tensor of the checkpoint.
struct TensorSpec {
  std::string name;            // "model.layers.3.self_attn.q_proj.weight"
  std::vector<int64_t> shape;  // [out, in] or [n]
};

// A matrix product of a module. Llama's q, k and v are three tensors and one product: their rows
// follow each other.
struct LinearSpec {
  std::vector<TensorSpec> weights;  // parts, stacked by rows in this order
  std::vector<TensorSpec> biases;   // the same parts; empty: no bias
  int64_t rows = 0;                 // out_features of all parts
  int64_t cols = 0;                 // in_features
};

enum class ModuleKind { kEmbedding, kLayer, kNorm, kLmHead };

// A named part of the model that a placement assigns as a whole.
struct ModuleSpec {
  std::string name;  // "model.layers.3"
  ModuleKind kind = ModuleKind::kLayer;
  int layer = -1;  // index, for kLayer
  // kLayer
  TensorSpec input_norm;           // before attention
  TensorSpec post_attention_norm;  // before the MLP
  LinearSpec qkv;                  // [(heads + 2 * kv_heads) * head_dim, hidden]
  LinearSpec o;                    // [hidden, heads * head_dim]
  LinearSpec gate_up;              // [2 * intermediate, hidden]: gate's rows, then up's
  LinearSpec down;                 // [hidden, intermediate]
  // kEmbedding: the table [vocab, hidden]; kLmHead: the weight [vocab, hidden], under the
  // embedding's name when the two are tied
  LinearSpec matrix;
  // kNorm
  TensorSpec norm;
};

// All modules in the order they run: model.embed_tokens, model.layers.0 .., model.norm, lm_head.
std::vector<ModuleSpec> ListModules(const ModelConfig& config);

// Every tensor of a module, in the order of the fields above.
std::vector<TensorSpec> ModuleTensors(const ModuleSpec& module);

}  // namespace gantry

#endif  // GANTRY_MODEL_MODULES_H_
