#ifndef GANTRY_PLAN_MEMORY_H_
#define GANTRY_PLAN_MEMORY_H_

#include <cstdint>

#include "base/dtype.h"
#include "model/config.h"
#include "model/modules.h"

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

}  // namespace gantry

#endif  // GANTRY_PLAN_MEMORY_H_
