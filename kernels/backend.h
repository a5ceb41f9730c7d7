#ifndef GANTRY_KERNELS_BACKEND_H_
#define GANTRY_KERNELS_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/dtype.h"
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

// A weight matrix [rows, cols] = [out_features, in_features] of one scheme, repacked for the
// kernels of the backend that made it and immutable from then on.
class Matrix {
 public:
  virtual ~Matrix() = default;
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  Scheme scheme() const { return scheme_; }
  // Bytes on the device, padding included.
  virtual size_t bytes() const = 0;

 protected:
  Matrix(Scheme scheme, int64_t rows, int64_t cols) : scheme_(scheme), rows_(rows), cols_(cols) {}
  Scheme scheme_;
  int64_t rows_;
  int64_t cols_;
};

// How to make a Matrix. Rows come from `read` in order and in pieces, so that a backend never holds
// more of the source than a few rows beyond the result.
struct MatrixSource {
  Scheme scheme = Scheme::kFp32;
  int64_t rows = 0;
  int64_t cols = 0;
  // Fills out[count, cols] with rows [first, first + count), widened to float.
  absl::FunctionRef<absl::Status(int64_t first, int64_t count, float* out)> read;
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
  virtual DType activation_dtype() const = 0;

  virtual absl::StatusOr<std::unique_ptr<Buffer>> Allocate(size_t bytes) = 0;
  virtual absl::Status Upload(absl::Span<const char> from, Buffer* to, size_t offset) = 0;
  // Waits for the work before it.
  virtual absl::Status Download(const Buffer& from, size_t offset, absl::Span<char> to) = 0;
  virtual absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source) = 0;
  virtual absl::StatusOr<std::unique_ptr<KvCache>> MakeKvCache(const KvCacheShape& shape) = 0;
  // Bytes that Pack and MakeKvCache will take, without taking them.
  virtual size_t PackedBytes(Scheme scheme, int64_t rows, int64_t cols) const = 0;
  virtual size_t KvCacheBytes(const KvCacheShape& shape) const = 0;

  // Opens a step; the ops up to EndStep belong to it. `layout` lives until EndStep.
  virtual absl::Status BeginStep(const StepLayout& layout) = 0;
  virtual absl::Status EndStep() = 0;

  // out[i] = table[token_ids[i]]. Requires ids in [0, table.rows()).
  virtual absl::Status Embed(absl::Span<const int32_t> token_ids, const Matrix& table,
                             Buffer* out) = 0;
  virtual absl::Status Linear(const LinearArgs& args) = 0;
  // The prologue of Linear by itself, for a final norm whose lm_head is elsewhere: bit for bit what
  // Linear would have made of x, [rows, features].
  virtual absl::Status RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                               int64_t features, Buffer* out) = 0;
  // Rotates q and k, stores k and v in the cache at the step's positions, and attends.
  virtual absl::Status Attention(const AttentionArgs& args) = 0;
  // out[i] = x[rows[i]], each [features].
  virtual absl::Status GatherRows(const Buffer& x, absl::Span<const int32_t> rows, int64_t features,
                                  Buffer* out) = 0;
  // Samples one token from each of the rows of logits[requests.size(), vocab] (float), as
  // kernels/sampling.h says.
  virtual absl::Status Sample(const Buffer& logits, int64_t vocab,
                              absl::Span<const SampleRequest> requests,
                              std::vector<SampleResult>* results) = 0;
  // True if every element of x[rows, features] is finite; otherwise *row is the first that is not.
  virtual absl::StatusOr<bool> AllFinite(const Buffer& x, int64_t rows, int64_t features,
                                         int64_t* row) = 0;
  virtual absl::Status Synchronize() = 0;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_BACKEND_H_
