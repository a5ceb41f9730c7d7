#include "worker/workspace.h"

#include <algorithm>

#include "base/dtype.h"
#include "base/status_macros.h"

namespace gantry {

absl::StatusOr<std::unique_ptr<Workspace>> Workspace::Create(const ModelConfig& config,
                                                             const ServingShape& shape,
                                                             bool has_head, Backend* backend) {
  const int64_t element = DTypeSize(backend->activation_dtype());
  const int64_t tokens = shape.max_step_tokens;
  const int64_t rows = std::min(shape.max_step_rows, tokens);
  const int64_t attention = config.num_heads * config.head_dim;
  const int64_t qkv = attention + 2 * config.num_kv_heads * config.head_dim;
  auto space = std::make_unique<Workspace>();
  GANTRY_ASSIGN_OR_RETURN(space->hidden, backend->Allocate(tokens * config.hidden_size * element));
  GANTRY_ASSIGN_OR_RETURN(space->qkv, backend->Allocate(tokens * qkv * element));
  GANTRY_ASSIGN_OR_RETURN(space->attended, backend->Allocate(tokens * attention * element));
  GANTRY_ASSIGN_OR_RETURN(space->gated,
                          backend->Allocate(tokens * config.intermediate_size * element));
  GANTRY_ASSIGN_OR_RETURN(space->rows, backend->Allocate(rows * config.hidden_size * element));
  GANTRY_ASSIGN_OR_RETURN(space->normed, backend->Allocate(rows * config.hidden_size * element));
  if (has_head) {
    GANTRY_ASSIGN_OR_RETURN(space->logits,
                            backend->Allocate(rows * config.vocab_size * sizeof(float)));
  }
  return space;
}

uint64_t Workspace::bytes() const {
  uint64_t bytes = 0;
  for (const std::unique_ptr<Buffer>* buffer :
       {&hidden, &qkv, &attended, &gated, &rows, &normed, &logits}) {
    if (*buffer != nullptr) bytes += (*buffer)->bytes();
  }
  return bytes;
}

}  // namespace gantry
