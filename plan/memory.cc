#include "plan/memory.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace gantry {
namespace {

constexpr uint64_t kFloatBytes = 4;
// Tables and staging that do not grow with the model.
constexpr uint64_t kFixedWorkspaceBytes = 4 << 20;
// A product's tile is 96 columns wide; four threads have one at a time.
constexpr uint64_t kPartialSums = 4 * 96;
// Measured on an H200 with driver 580 and CUDA 13: 552 MB for the context, 624 MB once cuBLAS has
// run.
constexpr uint64_t kCudaProcessBytes = 640'000'000;
constexpr uint64_t kCpuProcessBytes = 64 << 20;

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

// The product, or 2^64 - 1 when it is larger.
uint64_t Product(std::initializer_list<uint64_t> factors) {
  uint64_t product = 1;
  for (uint64_t factor : factors) {
    if (__builtin_mul_overflow(product, factor, &product)) {
      return factor == 0 ? 0 : std::numeric_limits<uint64_t>::max();
    }
  }
  return product;
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

uint64_t UnitKvBytes(const ModelTree& tree, const PlanUnit& unit, const SequenceShape& shape) {
  const uint64_t width = DTypeSize(shape.kv_dtype);
  const uint64_t encoder = shape.encoder_tokens > 0 ? shape.encoder_tokens : shape.context;
  const uint64_t batch = shape.batch;
  const uint64_t own =
      Product({static_cast<uint64_t>(shape.context), batch, width, unit.kv_elements_per_token});
  const uint64_t cross = Product({encoder, batch, width, unit.cross_kv_elements_per_token});
  uint64_t sum;
  return __builtin_add_overflow(own, cross, &sum) ? std::numeric_limits<uint64_t>::max() : sum;
}

uint64_t ActivationBytes(const ModelTree& tree, const SequenceShape& shape, bool has_head) {
  const uint64_t attention = tree.num_heads * tree.head_dim;
  const uint64_t qkv = attention + 2 * tree.num_kv_heads * tree.head_dim;
  const uint64_t mlp = tree.intermediate_size * std::max<int64_t>(1, tree.experts_per_token);
  // As WorkspaceBytes counts them, a row of logits for each sequence.
  const uint64_t widest = std::max({static_cast<uint64_t>(tree.hidden_size), mlp, attention});
  const uint64_t per_token =
      tree.hidden_size + qkv + attention + mlp + widest + kPartialSums + tree.head_dim;
  const uint64_t tokens = std::max(shape.step_tokens, shape.batch);
  const uint64_t per_row = 2 * tree.hidden_size + (has_head ? tree.vocab_size : 0);
  const uint64_t layer_bytes = Product({per_token, tokens, kFloatBytes});
  const uint64_t head_bytes = Product({per_row, static_cast<uint64_t>(shape.batch), kFloatBytes});
  uint64_t sum;
  if (__builtin_add_overflow(layer_bytes, head_bytes, &sum) ||
      __builtin_add_overflow(sum, kFixedWorkspaceBytes, &sum)) {
    return std::numeric_limits<uint64_t>::max();
  }
  return sum;
}

uint64_t DeviceOverheadBytes(MemoryKind kind) {
  return kind == MemoryKind::kGpu ? kCudaProcessBytes : kCpuProcessBytes;
}

}  // namespace gantry
