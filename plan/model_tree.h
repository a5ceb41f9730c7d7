#ifndef GANTRY_PLAN_MODEL_TREE_H_
#define GANTRY_PLAN_MODEL_TREE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "base/json.h"

namespace gantry {

// The modules of a model as transformers registers them, from config.json alone: what is needed to
// say how many bytes go where. More families than Gantry serves.

// A parameter or a buffer of a module. Buffers here are those that are not saved (rotary
// frequencies, fp32); accelerate counts them in its sizes.
struct TreeTensor {
  std::string name;            // "weight"
  std::vector<int64_t> shape;  // of a Linear's weight [out, in]
  uint64_t elements = 0;
  bool is_buffer = false;
};

struct TreeModule;
struct TreeChild {
  std::string name;                          // "self_attn"
  std::shared_ptr<const TreeModule> module;  // layers that are alike share one
};
struct TreeModule {
  std::string class_name;           // "LlamaDecoderLayer", "Linear"
  std::vector<TreeTensor> tensors;  // its own, not its children's
  std::vector<TreeChild> children;  // in the order they are registered
  uint64_t parameters = 0;          // of the module and all below, tied ones included
};

// The parts that a placement of whole layers assigns, in the order they run.
enum class UnitKind {
  kEmbedding,
  kRotary,
  kEncoderLayer,
  kDecoderLayer,
  kNorm,
  kProjection,
  kLmHead
};
struct PlanUnit {
  std::string name;  // "model.layers.3"
  UnitKind kind = UnitKind::kDecoderLayer;
  std::shared_ptr<const TreeModule> module;
  // Elements of keys and values: a token of the sequence, and (cross-attention) a token of the
  // encoder's input.
  uint64_t kv_elements_per_token = 0;
  uint64_t cross_kv_elements_per_token = 0;
  int64_t window = 0;  // tokens the layer can look back; 0: all
  // The unit whose weight this one's is (a tied head: the embedding); -1: its own. On the device of
  // that unit it takes no memory; on another, all of it.
  int tied_unit = -1;
  // Parameters that a token is multiplied by: without lookups, and of a mixture only the experts
  // that are chosen.
  uint64_t active_parameters = 0;
};

struct ModelTree {
  std::string class_name;  // "LlamaForCausalLM"
  std::string model_type;  // "llama"
  bool served = false;     // by Gantry's workers
  std::shared_ptr<const TreeModule> root;
  std::vector<std::string> no_split_classes;   // model._no_split_modules
  std::vector<std::vector<std::string>> tied;  // names of tensors that are one; the first is kept
  std::vector<std::string> keep_in_fp32;       // modules: "wo"
  std::string base_prefix;                     // module of the model without its head; "" if T5
  std::string output_embedding;                // "lm_head"; "" if there is none
  std::vector<PlanUnit> units;
  uint64_t parameters = 0;  // tied ones once
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;          // of the decoder
  int64_t num_encoder_layers = 0;  // 0 but for encoder-decoder models
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t num_experts = 0;  // 0: dense
  int64_t experts_per_token = 0;
  int64_t max_positions = 0;   // 0: no limit
  std::optional<DType> dtype;  // of the checkpoint, if config.json says
  // What config.json's "auto_map" names for loading; accelerate's estimate then counts the head.
  bool auto_map_for_head = false;
  std::optional<Json> quantization_config;
};

// Limits on what config.json may ask for. Beyond them: INVALID_ARGUMENT.
inline constexpr int64_t kMaxTreeLayers = 4096;
inline constexpr int64_t kMaxTreeDimension = int64_t{1} << 24;
inline constexpr int64_t kMaxTreeExperts = 1024;
inline constexpr int64_t kMaxTreeLayerExperts = 65536;  // layers * experts
inline constexpr uint64_t kMaxTreeParameters = uint64_t{1} << 50;

// `origin` names the file in errors. INVALID_ARGUMENT "ORIGIN: FIELD: expected ..., found ..." for
// a value that is missing, of a wrong type or out of range; UNIMPLEMENTED, listing the families,
// for one that is not known.
absl::StatusOr<ModelTree> BuildModelTree(const Json& config, absl::string_view origin);

// The model without its head: what transformers' AutoModel builds. Names lose the base prefix.
ModelTree WithoutHead(const ModelTree& tree);

// Calls `visit` for every tensor in the order of named_parameters and then named_buffers, tied ones
// under each of their names. `module` is the tensor's own module; names are full.
using TensorVisitor = std::function<void(const std::string& module_name, const TreeModule& module,
                                         const std::string& tensor_name, const TreeTensor& tensor)>;
void ForEachTensor(const TreeModule& root, const std::string& prefix, const TensorVisitor& visit);

// The module of that full name; null if there is none. "" is the root.
std::shared_ptr<const TreeModule> FindModule(const ModelTree& tree, absl::string_view name);

// "Llama, Mistral, ...": for errors.
std::string KnownFamilies();

}  // namespace gantry

#endif  // GANTRY_PLAN_MODEL_TREE_H_
