#include "kernels/reference/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "kernels/host_backend.h"
#include "kernels/part_reader.h"

namespace gantry {
namespace {

class ReferenceMatrix : public Matrix {
 public:
  ReferenceMatrix(const MatrixSource& source, HostMemory values)
      : Matrix(source.format, source.rows, source.cols), values_(std::move(values)) {}
  size_t bytes() const override { return values_.bytes(); }
  const float* row(int64_t i) const { return values_.floats() + i * cols_; }

 private:
  HostMemory values_;  // [rows, cols]
};

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

double Activate(LinearArgs::Epilogue epilogue, double x) {
  switch (epilogue) {
    case LinearArgs::Epilogue::kSiluGate:
      return x / (1 + std::exp(-x));
    case LinearArgs::Epilogue::kGeluTanhGate:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case LinearArgs::Epilogue::kGeluGate:
      return 0.5 * x * (1 + std::erf(x * M_SQRT1_2));
    default:
      return x;
  }
}

// out = x * rsqrt(mean(x^2) + eps) * weight, rounded to float after each factor as in transformers.
void NormaliseRow(const float* x, const float* weight, float eps, int64_t n, float* out) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  const double scale = 1 / std::sqrt(sum / n + eps);
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(x[i] * scale) * weight[i];
}

class ReferenceBackend : public HostBackend {
 public:
  std::string name() const override { return "reference"; }

  absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source) override {
    GANTRY_RETURN_IF_ERROR(CheckScheme(name(), source.format.scheme.scheme));
    GANTRY_ASSIGN_OR_RETURN(size_t bytes,
                            CheckedArea(source.rows, source.cols, sizeof(float), "a weight"));
    GANTRY_ASSIGN_OR_RETURN(HostMemory values, HostMemory::Allocate(bytes));
    GANTRY_RETURN_IF_ERROR(CheckParts(source));
    PartReader reader(source);
    for (int64_t i = 0; i < source.rows; ++i) {
      GANTRY_RETURN_IF_ERROR(reader.Read(i, 1, values.floats() + i * source.cols));
    }
    return std::unique_ptr<Matrix>(new ReferenceMatrix(source, std::move(values)));
  }
  size_t PackedBytes(const MatrixFormat& format, int64_t rows, int64_t cols) const override {
    return rows * cols * sizeof(float);
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
    CheckBytes(out, token_ids.size(), table.cols(), sizeof(float), "out");
    const auto& matrix = static_cast<const ReferenceMatrix&>(table);
    for (size_t i = 0; i < token_ids.size(); ++i) {
      std::copy_n(matrix.row(token_ids[i]), table.cols(), out->as<float>() + i * table.cols());
    }
    return absl::OkStatus();
  }

  absl::Status RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                       int64_t features, Buffer* out) override {
    CheckBytes(&x, rows, features, sizeof(float), "x");
    CheckBytes(&weight, 1, features, sizeof(float), "weight");
    CheckBytes(out, rows, features, sizeof(float), "out");
    for (int64_t i = 0; i < rows; ++i) {
      NormaliseRow(x.as<float>() + i * features, weight.as<float>(), eps, features,
                   out->as<float>() + i * features);
    }
    return absl::OkStatus();
  }

  absl::Status Linear(const LinearArgs& args) override {
    CheckLinear(args, sizeof(float));
    const auto& weight = static_cast<const ReferenceMatrix&>(*args.weight);
    const int64_t rows = weight.rows();
    const int64_t cols = weight.cols();
    std::vector<float> x(cols);
    std::vector<double> product(rows);
    for (int64_t token = 0; token < args.tokens; ++token) {
      std::copy_n(args.x->as<float>() + token * cols, cols, x.begin());
      if (args.norm_weight != nullptr) {
        NormaliseRow(args.x->as<float>() + token * cols, args.norm_weight->as<float>(),
                     args.norm_eps, cols, x.data());
      }
      for (int64_t i = 0; i < rows; ++i) {
        double sum = args.bias != nullptr ? args.bias->as<float>()[i] : 0;
        for (int64_t j = 0; j < cols; ++j) sum += static_cast<double>(x[j]) * weight.row(i)[j];
        product[i] = sum;
      }
      if (IsGated(args.epilogue)) {
        float* out = args.out->as<float>() + token * (rows / 2);
        for (int64_t i = 0; i < rows / 2; ++i) {
          out[i] = static_cast<float>(Activate(args.epilogue, product[i]) * product[rows / 2 + i]);
        }
      } else {
        float* out = args.out->as<float>() + token * rows;
        const bool add = args.epilogue == LinearArgs::Epilogue::kAddTo;
        for (int64_t i = 0; i < rows; ++i) {
          out[i] = static_cast<float>((add ? out[i] : 0.0) + product[i]);
        }
      }
    }
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
