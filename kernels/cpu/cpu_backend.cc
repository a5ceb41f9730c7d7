#include "kernels/cpu/cpu_backend.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/four_bit_matrix.h"
#include "kernels/cpu/int8_matrix.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/kv_blocks.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/packed_matrix.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/host_backend.h"

namespace gantry {
namespace {

class CpuBackend : public HostBackend {
 public:
  CpuBackend(const Isa* isa, int threads)
      : isa_(isa), pool_(threads), linear_(isa, &pool_), attention_(isa, &pool_) {}

  std::string name() const override { return absl::StrCat("cpu-", isa_->name); }

  absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source) override {
    GANTRY_RETURN_IF_ERROR(CheckFormat(source.format));
    const Scheme scheme = source.format.scheme.scheme;
    if (IsFourBit(scheme)) return FourBitMatrix::Pack(source, &pool_);
    if (scheme == Scheme::kInt8) return Int8Matrix::Pack(source, &pool_);
    return PackedMatrix::Pack(source, &pool_);
  }
  size_t PackedBytes(const MatrixFormat& format, int64_t rows, int64_t cols) const override {
    const Scheme scheme = format.scheme.scheme;
    if (IsFourBit(scheme)) return FourBitMatrix::Bytes(format, rows, cols);
    if (scheme == Scheme::kInt8) return Int8Matrix::Bytes(rows, cols);
    return PackedMatrix::Bytes(format, rows, cols);
  }

  absl::StatusOr<std::unique_ptr<KvCache>> MakeKvCache(const KvCacheShape& shape) override {
    GANTRY_ASSIGN_OR_RETURN(size_t bytes, CheckedKvCacheBytes(shape, kLanes));
    GANTRY_ASSIGN_OR_RETURN(HostMemory memory, HostMemory::Allocate(bytes));
    return std::unique_ptr<KvCache>(new KvBlocks(shape, std::move(memory)));
  }
  size_t KvCacheBytes(const KvCacheShape& shape) const override {
    return CheckedKvCacheBytes(shape, kLanes).value_or(0);
  }

  absl::Status Embed(const Matrix& table, Buffer* out) override {
    const std::vector<int32_t>& token_ids = layout().token_ids;
    GANTRY_RETURN_IF_ERROR(CheckTokenIds(token_ids, table.rows()));
    GANTRY_RETURN_IF_ERROR(CheckEmbeddingTable(table));
    CheckBytes(out, token_ids.size(), table.cols(), sizeof(float), "out");
    for (size_t i = 0; i < token_ids.size(); ++i) {
      static_cast<const PackedMatrix&>(table).CopyRow(token_ids[i],
                                                      out->as<float>() + i * table.cols());
    }
    return absl::OkStatus();
  }

  absl::Status RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                       int64_t features, Buffer* out) override {
    CheckBytes(&x, rows, features, sizeof(float), "x");
    CheckBytes(&weight, 1, features, sizeof(float), "weight");
    CheckBytes(out, rows, features, sizeof(float), "out");
    pool_.ParallelFor(rows, 8, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        isa_->rms_norm(x.as<float>() + i * features, weight.as<float>(), eps, features,
                       out->as<float>() + i * features);
      }
    });
    return absl::OkStatus();
  }

  absl::Status Linear(const LinearArgs& args) override {
    CheckLinear(args, sizeof(float));
    return linear_.Run(args);
  }

  absl::Status Attention(const AttentionArgs& args) override {
    Require(args.cache != nullptr, "cache is null");
    const auto& cache = static_cast<const KvBlocks&>(*args.cache);
    GANTRY_RETURN_IF_ERROR(CheckAttentionStep(args, cache.shape()));
    return attention_.Run(args, layout(),
                          [this](const StepLayout::Slice& slice, int64_t row_in_slice) {
                            const int64_t row = slice.first_row + row_in_slice;
                            const int64_t half = HalfRotary(slice);
                            return Rotation{half, cosines(row), sines(row, half)};
                          });
  }

 protected:
  void ForEach(int64_t count, absl::FunctionRef<void(int64_t)> body) override {
    pool_.ParallelFor(count, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) body(i);
    });
  }

 private:
  const Isa* isa_;
  ThreadPool pool_;
  CpuLinear linear_;
  CpuAttention attention_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> MakeCpuBackend(const CpuOptions& options) {
  GANTRY_ASSIGN_OR_RETURN(const Isa* isa, ChooseIsa(options.isa));
  constexpr int kMostThreads = 1024;
  if (options.threads < 0 || options.threads > kMostThreads) {
    return absl::InvalidArgumentError(absl::StrCat("expected a number of threads in [0, ",
                                                   kMostThreads, "], found ", options.threads));
  }
  const int threads = options.threads > 0 ? options.threads : AvailableCores();
  return std::unique_ptr<Backend>(new CpuBackend(isa, threads));
}

}  // namespace gantry
