#ifndef GANTRY_WORKER_WORKSPACE_H_
#define GANTRY_WORKER_WORKSPACE_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/config.h"
#include "plan/memory.h"

namespace gantry {

// Activations of the step being computed, for the largest step. The stages of a worker share one,
// because one step runs at a time. In the backend's activation type; T = max_step_tokens, R =
// max_step_rows.
struct Workspace {
  std::unique_ptr<Buffer> hidden;    // [T, hidden_size]: the residual stream
  std::unique_ptr<Buffer> qkv;       // [T, (heads + 2 * kv_heads) * head_dim]
  std::unique_ptr<Buffer> attended;  // [T, heads * head_dim]
  std::unique_ptr<Buffer> gated;     // [T, intermediate_size]
  std::unique_ptr<Buffer> rows;      // [R, hidden_size]: those that leave the last layer
  std::unique_ptr<Buffer> normed;    // [R, hidden_size]
  std::unique_ptr<Buffer> logits;    // [R, vocab_size] floats; null without lm_head

  // Stays within plan/memory.h's WorkspaceBytes. RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<Workspace>> Create(const ModelConfig& config,
                                                           const ServingShape& shape, bool has_head,
                                                           Backend* backend);
  uint64_t bytes() const;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_WORKSPACE_H_
