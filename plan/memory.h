#ifndef GANTRY_PLAN_MEMORY_H_
#define GANTRY_PLAN_MEMORY_H_

#include <cstdint>

#include "base/dtype.h"
#include "model/config.h"
#include "model/modules.h"
#include "plan/model_tree.h"
#include "plan/module_schemes.h"
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

// Bytes on the device, upper bounds: kernels pad a matrix to whole panels of kPanelRows rows, an
// int8 one to kInt8Columns columns too, and the statistics of a 4-bit one take up to
// kStatisticsPadding more than they have.
inline constexpr int64_t kPanelRows = 64;
inline constexpr int64_t kInt8Columns = 64;
inline constexpr uint64_t kStatisticsPadding = 4096;
// A weight [rows, cols] with its statistics; `parts`: tensors that it is made of.
uint64_t MatrixBytes(int64_t rows, int64_t cols, const TensorScheme& scheme, int64_t parts = 1);
// All parts of a product are of one scheme; its bias is fp32.
uint64_t LinearBytes(const LinearSpec& linear, const TensorScheme& scheme);
uint64_t ModuleWeightBytes(const ModuleSpec& module, const ModuleSchemes& schemes);
// Keys and values of one layer: 2 * num_blocks * block_size * kv_heads * head_dim elements.
uint64_t KvCacheBytes(const ModelConfig& config, const ServingShape& shape,
                      DType dtype = DType::kF32);
// Activations that a worker keeps for the largest step, on a CPU; `has_head`: it computes logits.
uint64_t WorkspaceBytes(const ModelConfig& config, const ServingShape& shape, bool has_head);
// The same on a GPU that holds `format`: activations of its dtype, logits in fp32, and
// GpuScratchBytes.
uint64_t GpuWorkspaceBytes(const ModelConfig& config, const ServingShape& shape,
                           const WeightFormat& format, bool has_head);
// What a GPU's kernels may take besides, once for all stages of a worker. The backend stays within:
//   - a quantised weight that is dequantised for a long product: the largest matrix in fp32, at
//     most kDequantisedBytes (beyond that it goes by rows);
//   - what a product reads and writes before its epilogue, for the largest step: its input
//     normalised and converted in up to 32 bits, in int8 its codes and halves with a scale a row,
//     and in 32 bits the result of a layer's widest matrix or of kSlabBytes of the vocabulary's;
//   - kCublasBytes of workspace for cuBLAS;
//   - attention whose context is split: kSplits partial sums of heads * head_dim floats, for
//     kSplitRows rows at once.
inline constexpr uint64_t kDequantisedBytes = uint64_t{256} << 20;
inline constexpr uint64_t kSlabBytes = uint64_t{64} << 20;
inline constexpr uint64_t kCublasBytes = uint64_t{64} << 20;
inline constexpr uint64_t kSplits = 64;
inline constexpr uint64_t kSplitRows = 64;
uint64_t GpuScratchBytes(const ModelConfig& config, const ServingShape& shape,
                         const WeightFormat& format);

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
// The largest step's activations, as WorkspaceBytes and GpuWorkspaceBytes count them with one row
// of logits for each sequence.
uint64_t ActivationBytes(const ModelTree& tree, const SequenceShape& shape, bool has_head);
uint64_t GpuActivationBytes(const ModelTree& tree, const SequenceShape& shape,
                            const WeightFormat& format, bool has_head);
// What a process takes on a GPU before its first tensor: context, kernels, the libraries' own.
uint64_t DeviceOverheadBytes(MemoryKind kind);

}  // namespace gantry

#endif  // GANTRY_PLAN_MEMORY_H_
