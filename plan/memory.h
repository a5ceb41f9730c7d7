#ifndef GANTRY_PLAN_MEMORY_H_
#define GANTRY_PLAN_MEMORY_H_

#include <cstdint>

#include "base/dtype.h"
#include "model/config.h"
#include "model/modules.h"
#include "plan/model_tree.h"
#include "plan/weight_bytes.h"

namespace gantry {

// What is served, as far as memory goes.
struct ServingShape {
  int64_t context = 0;          // tokens a sequence may have
  int64_t num_blocks = 0;       // of keys and values, in every layer
  int64_t block_size = 16;      // tokens a block
  int64_t max_step_tokens = 0;  // tokens a step may have
  int64_t max_step_rows = 0;    // rows of logits a step may have
};

// Bytes on the device, upper bounds: kernels pad a matrix to whole panels of kPanelRows rows.
inline constexpr int64_t kPanelRows = 64;
uint64_t LinearBytes(const LinearSpec& linear, Scheme scheme);
uint64_t ModuleWeightBytes(const ModuleSpec& module, Scheme scheme);
// Keys and values of one layer in fp32: 2 * num_blocks * block_size * kv_heads * head_dim * 4.
uint64_t KvCacheBytes(const ModelConfig& config, const ServingShape& shape);
// Activations that a worker keeps for the largest step; `has_head`: it computes logits.
uint64_t WorkspaceBytes(const ModelConfig& config, const ServingShape& shape, bool has_head);

// The same from a model's tree, for every family; weights are plan/weight_bytes.h's.

// What runs at once.
struct SequenceShape {
  int64_t batch = 1;
  int64_t context = 0;         // tokens of a sequence, prompt and answer
  int64_t encoder_tokens = 0;  // of an encoder-decoder model's input; 0: as `context`
  int64_t step_tokens = 512;   // tokens that pass a layer together
  DType kv_dtype = DType::kF16;
};
uint64_t UnitKvBytes(const ModelTree& tree, const PlanUnit& unit, const SequenceShape& shape);
// The largest step's activations on a device, in fp32; `has_head`: it computes logits.
uint64_t ActivationBytes(const ModelTree& tree, const SequenceShape& shape, bool has_head);
// What a process takes on a GPU before its first tensor: context, kernels, the libraries' own.
uint64_t DeviceOverheadBytes(MemoryKind kind);

}  // namespace gantry

#endif  // GANTRY_PLAN_MEMORY_H_
