#ifndef GANTRY_KERNELS_BACKEND_H_
#define GANTRY_KERNELS_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/dtype.h"
#include "base/dummy_weights.h"
#include "base/packed.h"
#include "kernels/sampling.h"

namespace gantry {

// Memory on a backend's device. Freed when destroyed, after the work enqueued before that.
class Buffer {
 public:
  virtual ~Buffer() = default;
  // Address on the device; the host may follow it only if the device is the CPU.
  void* data() const { return data_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 protected:
  Buffer(void* data, size_t bytes) : data_(data), bytes_(bytes) {}
  void* data_;
  size_t bytes_;
};

// How a weight and what multiplies it are stored, and how the product is computed.
struct MatrixFormat {
  TensorScheme scheme;
  // 4-bit: activations, weights and result are rounded to this type (bnb_4bit_compute_dtype).
  DType compute_dtype = DType::kF32;
  // int8: activations at least so large are multiplied in 16 bits (llm_int8_threshold); 0: none.
  float int8_threshold = 6;
  // int8: a column is an outlier for every token of the step if it is for one, as in bitsandbytes.
  // Otherwise for that token alone.
  bool outliers_per_batch = false;
  bool operator==(const MatrixFormat&) const = default;
};

// A weight matrix [rows, cols] = [out_features, in_features] of one scheme, repacked for the
// kernels of the backend that made it and immutable from then on.
class Matrix {
 public:
  virtual ~Matrix() = default;
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  const MatrixFormat& format() const { return format_; }
  Scheme scheme() const { return format_.scheme.scheme; }
  // Bytes on the device, padding included.
  virtual size_t bytes() const = 0;

 protected:
  Matrix(const MatrixFormat& format, int64_t rows, int64_t cols)
      : format_(format), rows_(rows), cols_(cols) {}
  MatrixFormat format_;
  int64_t rows_;
  int64_t cols_;
};

// One tensor of a Matrix. A 4-bit part is quantised by itself, blocks and nested statistics
// starting anew.
struct MatrixPart {
  int64_t rows = 0;
  // Of the elements that `read` delivers: kF32, kF16 or kBF16.
  DType dtype = DType::kF32;
  // Fills out[count, cols] with rows [first, first + count). Rows are asked for once, in order.
  std::function<absl::Status(int64_t first, int64_t count, void* out)> read;
  // Not null: the tensor is already quantised as the format says, and this reads all of it.
  std::function<absl::StatusOr<PackedTensor>()> read_packed;
  // The values that `read` would deliver, for a backend that can make them itself.
  std::optional<DummyWeights> dummy;
};

// How to make a Matrix: parts stacked by rows. A backend takes the source in pieces and never holds
// more than one part of it beyond the result.
struct MatrixSource {
  MatrixFormat format;
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<MatrixPart> parts;
  // Products with it end in a gate: a backend may store the rows in another order.
  bool gated = false;
};

// What one step does, the same for every layer of it. Built on the host; a backend uploads what it
// needs in BeginStep.
struct StepLayout {
  // Consecutive tokens of one sequence.
  struct Slice {
    int32_t first_row = 0;  // of its tokens among the step's
    int32_t rows = 0;
    int32_t start_position = 0;  // of its first token in the sequence
    int32_t first_block = 0;     // of its table in block_table
    int32_t num_blocks = 0;      // blocks that hold positions [0, start_position + rows)
    int32_t rope = 0;            // index into ropes
  };
  // Rotary embedding: pair (i, i + rotary_dim/2) of a head at position p turns by float(p) *
  // inv_freq[i]; cosine and sine are multiplied by `scale`.
  struct Rope {
    std::vector<float> inv_freq;  // [rotary_dim / 2]
    float scale = 1;
  };
  std::vector<Slice> slices;
  std::vector<int32_t> block_table;
  std::vector<int32_t> token_ids;   // [rows] for Embed; may be empty
  std::vector<int32_t> logit_rows;  // for GatherLogitRows, ascending; may be empty
  std::vector<Rope> ropes;
  int32_t rows = 0;  // tokens in all
};

// Keys and values of one layer, in blocks of `block_size` tokens. How a block is laid out is the
// backend's own affair; `bytes` is for the ledger.
class KvCache {
 public:
  virtual ~KvCache() = default;
  virtual size_t bytes() const = 0;
};

struct KvCacheShape {
  int64_t num_blocks = 0;
  int64_t block_size = 16;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  DType dtype = DType::kF32;  // of keys and values; kF16 and kBF16 where the backend has them
};

// out = Epilogue(Prologue(x) W^T + bias). All matrices row-major, leading dimension = columns.
struct LinearArgs {
  enum class Epilogue {
    kNone,
    kAddTo,     // out[tokens, rows] += product: the residual connection
    kSiluGate,  // W holds the gate's rows, then the up-projection's: out[tokens, rows/2] =
                // silu(product[:, :rows/2]) * product[:, rows/2:]
    kGeluTanhGate,
    kGeluGate,
  };
  const Buffer* x = nullptr;            // [tokens, cols]
  const Buffer* norm_weight = nullptr;  // [cols] floats: RMSNorm x first; null: take x as it is
  float norm_eps = 0;
  const Matrix* weight = nullptr;
  const Buffer* bias = nullptr;  // [rows] floats or null
  Epilogue epilogue = Epilogue::kNone;
  Buffer* out = nullptr;
  bool float_out = false;  // out holds floats whatever the activation type: logits
  int64_t tokens = 0;
};

struct AttentionArgs {
  Buffer* qkv = nullptr;  // [tokens, (heads + 2 * kv_heads) * head_dim]: q, k, v before rotation
  Buffer* out = nullptr;  // [tokens, heads * head_dim]
  KvCache* cache = nullptr;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  float scale = 0;             // of the scores, 1/sqrt(head_dim) as a rule
  int64_t sliding_window = 0;  // a token sees itself and window-1 before it; 0: all before it
};

// The largest step that there will be.
struct StepLimits {
  int64_t rows = 0;
  int64_t logit_rows = 0;
  int64_t context = 0;  // positions of a sequence
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
};

// What a backend computes in, for all that it holds.
struct ComputeOptions {
  DType activation_dtype = DType::kF32;
  // Sum every element in one order, whatever the batch, also where that is slow. The host's
  // backends always do.
  bool deterministic = false;
  bool operator==(const ComputeOptions&) const = default;
};

// The arithmetic of one device. Ops are enqueued in order and may run later; what they wrote may be
// read on the host after Download or Synchronize. Activations are [tokens, features] in the
// backend's activation type. Every op's result for a token depends on that token's sequence alone,
// bit for bit: never on what else is in the step, on how a prompt is cut into chunks, or on the
// number of threads.
//
// Not thread-safe: one thread at a time. Arguments of wrong shape are bugs of the caller and abort;
// INVALID_ARGUMENT is for combinations that the backend does not have (it names the shape),
// RESOURCE_EXHAUSTED for memory.
class Backend {
 public:
  virtual ~Backend() = default;
  // "reference", "cpu-avx512", "cuda:0 (NVIDIA H200)".
  virtual std::string name() const = 0;
  // Type of activations: of every buffer that ops read and write, but for floats where an op says
  // so. The host's backends compute in float32.
  virtual DType activation_dtype() const = 0;
  // Called before anything is packed; the host's backends take float32 alone. INVALID_ARGUMENT for
  // what the backend does not have.
  virtual absl::Status Configure(const ComputeOptions& options) = 0;

  virtual absl::StatusOr<std::unique_ptr<Buffer>> Allocate(size_t bytes) = 0;
  virtual absl::Status Upload(absl::Span<const char> from, Buffer* to, size_t offset) = 0;
  // Waits for the work before it.
  virtual absl::Status Download(const Buffer& from, size_t offset, absl::Span<char> to) = 0;
  virtual absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source) = 0;
  virtual absl::StatusOr<std::unique_ptr<KvCache>> MakeKvCache(const KvCacheShape& shape) = 0;
  // Bytes that Pack and MakeKvCache will take, without taking them.
  virtual size_t PackedBytes(const MatrixFormat& format, int64_t rows, int64_t cols) const = 0;
  virtual size_t KvCacheBytes(const KvCacheShape& shape) const = 0;

  // Makes room for the largest steps over all that has been packed, so that no step allocates.
  // Called when all is packed; what it takes is in scratch_bytes. Backends that need nothing of the
  // kind have nothing to do.
  virtual absl::Status Reserve(const StepLimits& limits) { return absl::OkStatus(); }
  virtual size_t scratch_bytes() const { return 0; }

  // Opens a step; the ops up to EndStep belong to it. `layout` lives until EndStep.
  virtual absl::Status BeginStep(const StepLayout& layout) = 0;
  virtual absl::Status EndStep() = 0;

  // Calls `enqueue`, whose ops belong to the open step. A backend that can record them does so, and
  // replays the recording when it is asked again with an equal key instead of calling `enqueue`. So
  // whatever the ops depend on beside the layout must be the same for equal keys: `owner`, rows of
  // the layout, and whether every slice is one row.
  virtual absl::Status Enqueue(const void* owner, absl::FunctionRef<absl::Status()> enqueue) {
    return enqueue();
  }
  // Drops the recordings of an owner whose buffers are about to go.
  virtual void Forget(const void* owner) {}

  // out[i] = table[layout.token_ids[i]]. INVALID_ARGUMENT for an id out of [0, table.rows()).
  virtual absl::Status Embed(const Matrix& table, Buffer* out) = 0;
  virtual absl::Status Linear(const LinearArgs& args) = 0;
  // The prologue of Linear by itself, for a final norm whose lm_head is elsewhere: bit for bit what
  // Linear would have made of x, [rows, features].
  virtual absl::Status RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                               int64_t features, Buffer* out) = 0;
  // Rotates q and k, stores k and v in the cache at the step's positions, and attends.
  virtual absl::Status Attention(const AttentionArgs& args) = 0;
  // out[i] = x[layout.logit_rows[i]], each [features].
  virtual absl::Status GatherLogitRows(const Buffer& x, int64_t features, Buffer* out) = 0;
  // Samples one token from each of the rows of logits[requests.size(), vocab] (float), as
  // kernels/sampling.h says.
  virtual absl::Status Sample(const Buffer& logits, int64_t vocab,
                              absl::Span<const SampleRequest> requests,
                              std::vector<SampleResult>* results) = 0;
  // Notes which rows of x, [layout.rows, features], hold a NaN or an infinity.
  virtual absl::Status NoteNonFinite(const Buffer& x, int64_t features) = 0;
  // The rows noted in this step, ascending. Waits for the work before it.
  virtual absl::StatusOr<std::vector<int32_t>> NonFiniteRows() = 0;
  virtual absl::Status Synchronize() = 0;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_BACKEND_H_
