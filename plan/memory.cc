#include "plan/memory.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace gantry {
namespace {

constexpr uint64_t kFloatBytes = 4;
constexpr uint64_t kHalfBytes = 2;
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

// The sum, or 2^64 - 1 when it is larger.
uint64_t Sum(std::initializer_list<uint64_t> terms) {
  uint64_t sum = 0;
  for (uint64_t term : terms) {
    if (__builtin_add_overflow(sum, term, &sum)) return std::numeric_limits<uint64_t>::max();
  }
  return sum;
}

// The sizes that activations depend on, of a model however it was read.
struct Widths {
  uint64_t hidden = 0;
  uint64_t attention = 0;  // heads * head_dim
  uint64_t qkv = 0;
  uint64_t intermediate = 0;  // of all experts that a token goes through
  uint64_t head_dim = 0;
  uint64_t vocab = 0;
  uint64_t widest() const { return std::max({hidden, intermediate, attention}); }
};

Widths WidthsOf(const ModelConfig& config) {
  Widths widths;
  widths.hidden = config.hidden_size;
  widths.attention = config.num_heads * config.head_dim;
  widths.qkv = widths.attention + 2 * config.num_kv_heads * config.head_dim;
  widths.intermediate = config.intermediate_size;
  widths.head_dim = config.head_dim;
  widths.vocab = config.vocab_size;
  return widths;
}

Widths WidthsOf(const ModelTree& tree) {
  Widths widths;
  widths.hidden = tree.hidden_size;
  widths.attention = tree.num_heads * tree.head_dim;
  widths.qkv = widths.attention + 2 * tree.num_kv_heads * tree.head_dim;
  widths.intermediate = tree.intermediate_size * std::max<int64_t>(1, tree.experts_per_token);
  widths.head_dim = tree.head_dim;
  widths.vocab = tree.vocab_size;
  return widths;
}

// Of `tokens` tokens and `rows` rows behind the last layer; elements of `width` bytes.
uint64_t Activations(const Widths& widths, uint64_t tokens, uint64_t rows, uint64_t width,
                     bool has_head) {
  // The residual stream; q, k, v; what attention gives; the gated MLP; and the kernels' scratch:
  // the normalised or regrouped input of a product, partial sums of each thread, cosines and sines.
  const uint64_t per_token =
      widths.hidden + widths.qkv + widths.attention + widths.intermediate + widths.widest();
  return Sum({Product({per_token, tokens, width}),
              Product({kPartialSums + widths.head_dim, tokens, kFloatBytes}),
              Product({2 * widths.hidden, rows, width}),
              has_head ? Product({widths.vocab, rows, kFloatBytes}) : 0, kFixedWorkspaceBytes});
}

uint64_t Scratch(const Widths& widths, uint64_t tokens, const WeightFormat& format) {
  const uint64_t results = std::max(widths.qkv, 2 * widths.intermediate);
  const uint64_t largest = std::max(results * widths.hidden, widths.hidden * widths.widest());
  const uint64_t dequantised =
      format.quantization.quantized() ? std::min(largest * kFloatBytes, kDequantisedBytes) : 0;
  const uint64_t input = widths.widest() * (2 * kFloatBytes + kHalfBytes + 1) + kFloatBytes;
  const uint64_t slab_rows = std::min(widths.vocab, kSlabBytes / (kHalfBytes * widths.hidden));
  return Sum({dequantised, Product({tokens, input}),
              Product({tokens, std::max(results, slab_rows), kFloatBytes}), kCublasBytes,
              Product({widths.attention, kSplits, kSplitRows, kFloatBytes})});
}

uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

uint64_t MatrixBytes(int64_t rows, int64_t cols, const TensorScheme& scheme, int64_t parts) {
  const uint64_t padded = RoundUp(rows, kPanelRows);
  const uint64_t count = padded * cols;
  switch (scheme.scheme) {
    case Scheme::kFp32:
      break;
    case Scheme::kFp16:
    case Scheme::kBf16:
      return kHalfBytes * count;
    case Scheme::kInt8:
      return padded * (RoundUp(cols, kInt8Columns) + kFloatBytes);
    case Scheme::kNf4:
    case Scheme::kFp4: {
      // What of the tensor's blocks each row touches: one that begins anywhere, one block more.
      const int64_t block = scheme.block_size;
      const int64_t of_row = cols % block == 0 ? cols / block : (cols + block - 2) / block + 1;
      const uint64_t blocks = padded * of_row;
      const uint64_t codes = padded * ((cols + 1) / 2) + kStatisticsPadding;
      if (!scheme.double_quant) return codes + blocks * kFloatBytes;
      // Of each part: absmax of absmax, the table of codes, and the offset.
      const uint64_t nested = blocks / kNestedBlockSize + parts * (1 + kNestedBlockSize + 1);
      return codes + blocks + nested * kFloatBytes;
    }
  }
  return count * kFloatBytes;
}

uint64_t LinearBytes(const LinearSpec& linear, const TensorScheme& scheme) {
  const uint64_t bias = linear.biases.empty() ? 0 : linear.rows * kFloatBytes;
  return MatrixBytes(linear.rows, linear.cols, scheme,
                     std::max<int64_t>(1, linear.weights.size())) +
         bias;
}

uint64_t ModuleWeightBytes(const ModuleSpec& module, const ModuleSchemes& schemes) {
  uint64_t bytes = 0;
  for (const LinearSpec* linear :
       {&module.qkv, &module.o, &module.gate_up, &module.down, &module.matrix}) {
    if (linear->weights.empty()) continue;
    bytes += LinearBytes(*linear, schemes.Of(linear->weights.front().name));
  }
  for (const TensorSpec* norm : {&module.input_norm, &module.post_attention_norm, &module.norm}) {
    bytes += Elements(*norm) * kFloatBytes;
  }
  return bytes;
}

uint64_t KvCacheBytes(const ModelConfig& config, const ServingShape& shape, DType dtype) {
  return 2 * static_cast<uint64_t>(DTypeSize(dtype)) * shape.num_blocks * shape.block_size *
         config.num_kv_heads * config.head_dim;
}

uint64_t WorkspaceBytes(const ModelConfig& config, const ServingShape& shape, bool has_head) {
  const uint64_t rows = std::min(shape.max_step_rows, shape.max_step_tokens);
  return Activations(WidthsOf(config), shape.max_step_tokens, rows, kFloatBytes, has_head);
}

uint64_t GpuWorkspaceBytes(const ModelConfig& config, const ServingShape& shape,
                           const WeightFormat& format, bool has_head) {
  const uint64_t rows = std::min(shape.max_step_rows, shape.max_step_tokens);
  return Sum({Activations(WidthsOf(config), shape.max_step_tokens, rows, DTypeSize(format.dtype),
                          has_head),
              GpuScratchBytes(config, shape, format)});
}

uint64_t GpuScratchBytes(const ModelConfig& config, const ServingShape& shape,
                         const WeightFormat& format) {
  return Scratch(WidthsOf(config), shape.max_step_tokens, format);
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
  return Activations(WidthsOf(tree), std::max(shape.step_tokens, shape.batch), shape.batch,
                     kFloatBytes, has_head);
}

uint64_t GpuActivationBytes(const ModelTree& tree, const SequenceShape& shape,
                            const WeightFormat& format, bool has_head) {
  const Widths widths = WidthsOf(tree);
  const uint64_t tokens = std::max(shape.step_tokens, shape.batch);
  return Sum({Activations(widths, tokens, shape.batch, DTypeSize(format.dtype), has_head),
              Scratch(widths, tokens, format)});
}

uint64_t DeviceOverheadBytes(MemoryKind kind) {
  return kind == MemoryKind::kGpu ? kCudaProcessBytes : kCpuProcessBytes;
}

}  // namespace gantry
