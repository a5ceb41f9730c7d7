#include "kernels/reference/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "kernels/host_backend.h"
#include "kernels/reference/reference_linear.h"
#include "kernels/reference/reference_matrix.h"

namespace gantry {
namespace {

class ReferenceKvCache : public KvCache {
 public:
  ReferenceKvCache(const KvCacheShape& shape, HostMemory values)
      : shape_(shape), values_(std::move(values)) {}
  size_t bytes() const override { return values_.bytes(); }
  const KvCacheShape& shape() const { return shape_; }
  // [kv_heads, head_dim] of one position of a block.
  float* keys(int64_t block, int64_t slot) const { return At(block * shape_.block_size + slot); }
  float* values(int64_t block, int64_t slot) const {
    return At((shape_.num_blocks + block) * shape_.block_size + slot);
  }

 private:
  float* At(int64_t token) const {
    return values_.floats() + token * shape_.kv_heads * shape_.head_dim;
  }
  KvCacheShape shape_;
  HostMemory values_;  // keys, then values: [2, num_blocks, block_size, kv_heads, head_dim]
};

class ReferenceBackend : public HostBackend {
 public:
  std::string name() const override { return "reference"; }

  absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source) override {
    return ReferenceMatrix::Pack(source);
  }
  size_t PackedBytes(const MatrixFormat& format, int64_t rows, int64_t cols) const override {
    return ReferenceMatrix::Bytes(format, rows, cols);
  }

  absl::StatusOr<std::unique_ptr<KvCache>> MakeKvCache(const KvCacheShape& shape) override {
    GANTRY_ASSIGN_OR_RETURN(size_t bytes, CheckedKvCacheBytes(shape, /*lanes=*/1));
    GANTRY_ASSIGN_OR_RETURN(HostMemory values, HostMemory::Allocate(bytes));
    return std::unique_ptr<KvCache>(new ReferenceKvCache(shape, std::move(values)));
  }
  size_t KvCacheBytes(const KvCacheShape& shape) const override {
    return CheckedKvCacheBytes(shape, /*lanes=*/1).value_or(0);
  }

  absl::Status Embed(const Matrix& table, Buffer* out) override {
    const std::vector<int32_t>& token_ids = layout().token_ids;
    GANTRY_RETURN_IF_ERROR(CheckTokenIds(token_ids, table.rows()));
    GANTRY_RETURN_IF_ERROR(CheckEmbeddingTable(table));
    CheckBytes(out, token_ids.size(), table.cols(), sizeof(float), "out");
    for (size_t i = 0; i < token_ids.size(); ++i) {
      static_cast<const ReferenceMatrix&>(table).ReadRow(token_ids[i],
                                                         out->as<float>() + i * table.cols());
    }
    return absl::OkStatus();
  }

  absl::Status RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                       int64_t features, Buffer* out) override {
    CheckBytes(&x, rows, features, sizeof(float), "x");
    CheckBytes(&weight, 1, features, sizeof(float), "weight");
    CheckBytes(out, rows, features, sizeof(float), "out");
    for (int64_t i = 0; i < rows; ++i) {
      ReferenceRmsNorm(x.as<float>() + i * features, weight.as<float>(), eps, features, DType::kF32,
                       out->as<float>() + i * features);
    }
    return absl::OkStatus();
  }

  absl::Status Linear(const LinearArgs& args) override {
    CheckLinear(args, sizeof(float));
    ReferenceLinear(args);
    return absl::OkStatus();
  }

  absl::Status Attention(const AttentionArgs& args) override {
    Require(args.cache != nullptr, "cache is null");
    const auto& cache = static_cast<const ReferenceKvCache&>(*args.cache);
    GANTRY_RETURN_IF_ERROR(CheckAttentionStep(args, cache.shape()));
    for (const StepLayout::Slice& slice : layout().slices) {
      for (int32_t i = 0; i < slice.rows; ++i) {
        RotateAndStore(args, slice, i, cache);
        for (int64_t head = 0; head < args.heads; ++head) Attend(args, slice, i, head, cache);
      }
    }
    return absl::OkStatus();
  }

 private:
  void Rotate(const StepLayout::Slice& slice, int64_t row, float* head) const {
    const int64_t half = HalfRotary(slice);
    for (int64_t i = 0; i < half; ++i) {
      const double c = cosines(row)[i];
      const double s = sines(row, half)[i];
      const double first = head[i];
      const double second = head[i + half];
      head[i] = static_cast<float>(first * c - second * s);
      head[i + half] = static_cast<float>(second * c + first * s);
    }
  }

  void RotateAndStore(const AttentionArgs& args, const StepLayout::Slice& slice, int32_t i,
                      const ReferenceKvCache& cache) const {
    const int64_t row = slice.first_row + i;
    float* q = args.qkv->as<float>() + row * (args.heads + 2 * args.kv_heads) * args.head_dim;
    for (int64_t head = 0; head < args.heads + args.kv_heads; ++head) {
      Rotate(slice, row, q + head * args.head_dim);
    }
    const int64_t position = slice.start_position + i;
    const int64_t slot = position % cache.shape().block_size;
    const int64_t width = args.kv_heads * args.head_dim;
    const float* k = q + args.heads * args.head_dim;
    std::copy_n(k, width, cache.keys(Block(slice, position, cache), slot));
    std::copy_n(k + width, width, cache.values(Block(slice, position, cache), slot));
  }

  int64_t Block(const StepLayout::Slice& slice, int64_t position,
                const ReferenceKvCache& cache) const {
    return layout().block_table[slice.first_block + position / cache.shape().block_size];
  }

  void Attend(const AttentionArgs& args, const StepLayout::Slice& slice, int32_t i, int64_t head,
              const ReferenceKvCache& cache) const {
    const int64_t row = slice.first_row + i;
    const int64_t dim = args.head_dim;
    const int64_t kv_at = head / (args.heads / args.kv_heads) * dim;
    const int64_t block_size = cache.shape().block_size;
    const float* q = args.qkv->as<float>() + (row * (args.heads + 2 * args.kv_heads) + head) * dim;
    const int64_t end = slice.start_position + i + 1;
    const int64_t begin =
        args.sliding_window > 0 ? std::max<int64_t>(0, end - args.sliding_window) : 0;
    std::vector<double> weights;
    for (int64_t p = begin; p < end; ++p) {
      const float* k = cache.keys(Block(slice, p, cache), p % block_size) + kv_at;
      double score = 0;
      for (int64_t d = 0; d < dim; ++d) score += static_cast<double>(q[d]) * k[d];
      weights.push_back(score * args.scale);
    }
    const double max = *std::max_element(weights.begin(), weights.end());
    double total = 0;
    for (double& weight : weights) total += weight = std::exp(weight - max);
    std::vector<double> sum(dim);
    for (int64_t p = begin; p < end; ++p) {
      const float* v = cache.values(Block(slice, p, cache), p % block_size) + kv_at;
      for (int64_t d = 0; d < dim; ++d) sum[d] += weights[p - begin] * v[d];
    }
    float* out = args.out->as<float>() + (row * args.heads + head) * dim;
    for (int64_t d = 0; d < dim; ++d) out[d] = static_cast<float>(sum[d] / total);
  }
};

}  // namespace

std::unique_ptr<Backend> MakeReferenceBackend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace gantry
