#include "plan/memory.h"

#include <algorithm>

namespace gantry {
namespace {

constexpr uint64_t kFloatBytes = 4;
// Tables and staging that do not grow with the model.
constexpr uint64_t kFixedWorkspaceBytes = 4 << 20;
// A product's tile is 96 columns wide; four threads have one at a time.
constexpr uint64_t kPartialSums = 4 * 96;

uint64_t Elements(const TensorSpec& tensor) {
  uint64_t count = 1;
  for (int64_t size : tensor.shape) count *= size;
  return tensor.shape.empty() ? 0 : count;
}

uint64_t BytesPerWeight(Scheme scheme) {
  switch (scheme) {
    case Scheme::kFp16:
    case Scheme::kBf16:
      return 2;
    case Scheme::kInt8:
    case Scheme::kNf4:
    case Scheme::kFp4:
      return 1;
    case Scheme::kFp32:
      break;
  }
  return kFloatBytes;
}

}  // namespace

uint64_t LinearBytes(const LinearSpec& linear, Scheme scheme) {
  const uint64_t rows = (linear.rows + kPanelRows - 1) / kPanelRows * kPanelRows;
  const uint64_t bias = linear.biases.empty() ? 0 : linear.rows * kFloatBytes;
  return rows * linear.cols * BytesPerWeight(scheme) + bias;
}

uint64_t ModuleWeightBytes(const ModuleSpec& module, Scheme scheme) {
  uint64_t bytes = 0;
  for (const LinearSpec* linear :
       {&module.qkv, &module.o, &module.gate_up, &module.down, &module.matrix}) {
    bytes += LinearBytes(*linear, scheme);
  }
  for (const TensorSpec* norm : {&module.input_norm, &module.post_attention_norm, &module.norm}) {
    bytes += Elements(*norm) * kFloatBytes;
  }
  return bytes;
}

uint64_t KvCacheBytes(const ModelConfig& config, const ServingShape& shape) {
  return 2 * kFloatBytes * shape.num_blocks * shape.block_size * config.num_kv_heads *
         config.head_dim;
}

uint64_t WorkspaceBytes(const ModelConfig& config, const ServingShape& shape, bool has_head) {
  const uint64_t attention = config.num_heads * config.head_dim;
  const uint64_t qkv = attention + 2 * config.num_kv_heads * config.head_dim;
  // The residual stream; q, k, v; what attention gives; the gated MLP; and the kernels' scratch:
  // the normalised or regrouped input of a product, partial sums of each thread, cosines and sines.
  const uint64_t widest =
      std::max({config.hidden_size, config.intermediate_size, config.num_heads * config.head_dim});
  const uint64_t per_token = config.hidden_size + qkv + attention + config.intermediate_size +
                             widest + kPartialSums + config.head_dim;
  const uint64_t rows = std::min(shape.max_step_rows, shape.max_step_tokens);
  uint64_t floats = per_token * shape.max_step_tokens + 2 * config.hidden_size * rows;
  if (has_head) floats += config.vocab_size * rows;
  return floats * kFloatBytes + kFixedWorkspaceBytes;
}

}  // namespace gantry
