#include "kernels/cuda/cuda_backend.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/cuda_buffer.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/cuda_matrix.h"
#include "kernels/cuda/cuda_products.h"
#include "kernels/cuda/cuda_sampler.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/gather_rows.h"
#include "kernels/cuda/graph_cache.h"
#include "kernels/cuda/non_finite.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/rotation.h"
#include "kernels/cuda/step_buffers.h"

namespace gantry {
namespace {

// Steps of more rows are not replayed: launching them takes less time than computing them.
constexpr int kMostReplayedRows = 64;

class CudaKvCache : public KvCache {
 public:
  CudaKvCache(const KvCacheShape& shape, std::unique_ptr<CudaBuffer> memory)
      : shape_(shape), memory_(std::move(memory)) {}
  size_t bytes() const override { return memory_->bytes(); }
  const KvCacheShape& shape() const { return shape_; }
  void* keys() const { return memory_->data(); }
  void* values() const { return memory_->as<char>() + memory_->bytes() / 2; }

 private:
  const KvCacheShape shape_;
  std::unique_ptr<CudaBuffer> memory_;  // [2, num_blocks, kv_heads, block_size, head_dim]
};

// Bytes of keys, a multiple of 256; of values as many.
absl::StatusOr<size_t> KeyBytes(const KvCacheShape& shape) {
  GANTRY_RETURN_IF_ERROR(CheckedKvCacheBytes(shape, /*lanes=*/1).status());
  const size_t bytes = shape.num_blocks * shape.kv_heads * shape.block_size * shape.head_dim *
                       CudaTypeSize(CudaTypeOf(shape.dtype));
  return (bytes + 255) / 256 * 256;
}

class CudaBackend : public Backend {
 public:
  static absl::StatusOr<std::unique_ptr<Backend>> Open(int device) {
    GANTRY_ASSIGN_OR_RETURN(const int capability, CudaCapability(device));
    std::unique_ptr<CudaBackend> backend(new CudaBackend(device, capability));
    GANTRY_RETURN_IF_ERROR(backend->Start());
    return std::unique_ptr<Backend>(std::move(backend));
  }
  ~CudaBackend() override {
    Bind();
    graphs_.Clear();
    products_.reset();
    attention_workspace_.reset();
    if (copied_ != nullptr) cudaEventDestroy(copied_);
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  std::string name() const override { return name_; }
  DType activation_dtype() const override { return options_.activation_dtype; }

  absl::Status Configure(const ComputeOptions& options) override {
    const DType dtype = options.activation_dtype;
    if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16) {
      return absl::InvalidArgumentError(absl::StrCat(
          name_, ": activations: expected F32, F16 or BF16, found ", DTypeName(dtype)));
    }
    if (dtype == DType::kBF16 && capability_ < 80) {
      return absl::InvalidArgumentError(
          absl::StrCat(name_, " has no bfloat16; take --dtype=float16"));
    }
    options_ = options;
    type_ = CudaTypeOf(dtype);
    graphs_.Clear();
    products_->set_deterministic(options.deterministic);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Buffer>> Allocate(size_t bytes) override {
    Bind();
    GANTRY_ASSIGN_OR_RETURN(std::unique_ptr<CudaBuffer> buffer, CudaBuffer::Allocate(bytes));
    return std::unique_ptr<Buffer>(std::move(buffer));
  }
  absl::Status Upload(absl::Span<const char> from, Buffer* to, size_t offset) override {
    Require(offset <= to->bytes() && from.size() <= to->bytes() - offset, "upload beyond a buffer");
    if (from.empty()) return absl::OkStatus();
    Bind();
    // Pageable memory: the copy has been read when the call returns.
    GANTRY_RETURN_IF_CUDA_ERROR(cudaMemcpyAsync(to->as<char>() + offset, from.data(), from.size(),
                                                cudaMemcpyHostToDevice, stream_),
                                "uploading");
    return absl::OkStatus();
  }
  absl::Status Download(const Buffer& from, size_t offset, absl::Span<char> to) override {
    Require(offset <= from.bytes() && to.size() <= from.bytes() - offset,
            "download beyond a buffer");
    if (to.empty()) return absl::OkStatus();
    Bind();
    GANTRY_RETURN_IF_CUDA_ERROR(cudaMemcpyAsync(to.data(), from.as<char>() + offset, to.size(),
                                                cudaMemcpyDeviceToHost, stream_),
                                "downloading");
    return Synchronize();
  }

  absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source) override {
    Bind();
    GANTRY_ASSIGN_OR_RETURN(std::unique_ptr<Matrix> matrix, PackCudaMatrix(source, stream_));
    products_->Expect(*matrix);
    return matrix;
  }
  size_t PackedBytes(const MatrixFormat& format, int64_t rows, int64_t cols) const override {
    return std::max(CudaMatrixBytes(format, rows, cols, false),
                    CudaMatrixBytes(format, rows, cols, true));
  }

  absl::StatusOr<std::unique_ptr<KvCache>> MakeKvCache(const KvCacheShape& shape) override {
    Bind();
    GANTRY_ASSIGN_OR_RETURN(const size_t bytes, KeyBytes(shape));
    GANTRY_ASSIGN_OR_RETURN(std::unique_ptr<CudaBuffer> memory, CudaBuffer::Allocate(2 * bytes));
    // Kernels may multiply slots that hold no token yet by a weight of 0.
    GANTRY_RETURN_IF_CUDA_ERROR(cudaMemsetAsync(memory->data(), 0, 2 * bytes, stream_),
                                "clearing a cache");
    return std::unique_ptr<KvCache>(new CudaKvCache(shape, std::move(memory)));
  }
  size_t KvCacheBytes(const KvCacheShape& shape) const override {
    return 2 * KeyBytes(shape).value_or(0);
  }

  absl::Status Reserve(const StepLimits& limits) override {
    Bind();
    GANTRY_RETURN_IF_ERROR(ReserveProducts(limits.rows));
    StepBuffers::Capacity capacity;
    capacity.rows = limits.rows;
    capacity.slices = limits.rows;
    capacity.logit_rows = limits.logit_rows;
    capacity.ropes = 4;
    capacity.half_rotary = limits.head_dim / 2;
    capacity.blocks = std::min<int64_t>(limits.rows, 64) * (limits.context / 16 + 1);
    GANTRY_RETURN_IF_ERROR(ReserveBuffers(capacity));
    CudaAttention attention;
    attention.type = attention.kv_type = type_;
    attention.heads = static_cast<int>(limits.heads);
    attention.kv_heads = static_cast<int>(limits.kv_heads);
    attention.head_dim = static_cast<int>(limits.head_dim);
    return ReserveAttention(AttentionWorkspaceBytes(attention, static_cast<int>(limits.context)));
  }
  size_t scratch_bytes() const override {
    return products_->scratch_bytes() + buffers_.bytes() + sampler_.bytes() +
           (attention_workspace_ == nullptr ? 0 : attention_workspace_->bytes());
  }

  absl::Status BeginStep(const StepLayout& layout) override {
    Require(layout_ == nullptr, "BeginStep within a step");
    GANTRY_RETURN_IF_ERROR(CheckLayout(layout));
    Bind();
    GANTRY_RETURN_IF_ERROR(ReserveProducts(std::max<int64_t>(layout.rows, 1)));
    GANTRY_RETURN_IF_ERROR(ReserveBuffers(layout));
    GANTRY_RETURN_IF_CUDA_ERROR(cudaEventSynchronize(copied_), "the step before this one");
    GANTRY_RETURN_IF_ERROR(buffers_.Upload(layout, stream_));
    GANTRY_RETURN_IF_CUDA_ERROR(cudaEventRecord(copied_, stream_), "copying the layout of a step");
    rotated_ = false;
    layout_ = &layout;
    return absl::OkStatus();
  }
  absl::Status EndStep() override {
    layout_ = nullptr;
    return absl::OkStatus();
  }

  absl::Status Enqueue(const void* owner, absl::FunctionRef<absl::Status()> enqueue) override {
    const DeviceStep& step = buffers_.step();
    if (!step.all_single || step.rows == 0 || step.rows > kMostReplayedRows) return enqueue();
    Bind();
    const GraphCache::Key key = {owner, step.rows, step.logit_row_count, step.context_bound,
                                 step.half_rotary};
    return graphs_.Run(key, stream_, enqueue);
  }
  void Forget(const void* owner) override {
    Bind();
    graphs_.Forget(owner);
  }

  absl::Status Embed(const Matrix& table, Buffer* out) override {
    Require(layout_ != nullptr, "Embed outside of a step");
    GANTRY_RETURN_IF_ERROR(CheckEmbeddingTable(table));
    GANTRY_RETURN_IF_ERROR(CheckTokenIds(layout_->token_ids, table.rows()));
    CheckBytes(out, layout_->rows, table.cols(), CudaTypeSize(type_), "out");
    const auto& matrix = static_cast<const CudaMatrix&>(table);
    Bind();
    return CudaStatus(
        LaunchGatherRows(matrix.type(), matrix.values(), buffers_.step().token_ids, layout_->rows,
                         static_cast<int>(table.cols()), type_, out->data(), stream_),
        "an embedding");
  }

  absl::Status Linear(const LinearArgs& args) override {
    CheckLinear(args, CudaTypeSize(type_));
    Bind();
    CudaProduct product;
    product.type = type_;
    product.x = args.x->data();
    product.norm_weight = args.norm_weight == nullptr ? nullptr : args.norm_weight->as<float>();
    product.norm_eps = args.norm_eps;
    product.bias = args.bias == nullptr ? nullptr : args.bias->as<float>();
    product.epilogue = static_cast<CudaEpilogue>(args.epilogue);
    product.out = args.out->data();
    product.float_out = args.float_out;
    product.tokens = static_cast<int>(args.tokens);
    product.rows = static_cast<int>(args.weight->rows());
    product.cols = static_cast<int>(args.weight->cols());
    if (layout_ == nullptr) {
      // Outside of a step nothing has made room yet.
      GANTRY_RETURN_IF_ERROR(ReserveProducts(args.tokens));
    }
    return products_->Run(static_cast<const CudaMatrix&>(*args.weight), product);
  }

  absl::Status RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                       int64_t features, Buffer* out) override {
    CheckBytes(&x, rows, features, CudaTypeSize(type_), "x");
    CheckBytes(&weight, 1, features, sizeof(float), "weight");
    CheckBytes(out, rows, features, CudaTypeSize(type_), "out");
    Bind();
    return CudaStatus(
        LaunchRmsNorm(type_, x.data(), weight.as<float>(), eps, static_cast<int>(rows),
                      static_cast<int>(features), out->data(), stream_),
        "normalising");
  }

  absl::Status Attention(const AttentionArgs& args) override {
    Require(layout_ != nullptr, "Attention outside of a step");
    CheckAttention(args, layout_->rows, CudaTypeSize(type_));
    const auto& cache = static_cast<const CudaKvCache&>(*args.cache);
    const KvCacheShape& shape = cache.shape();
    Require(shape.kv_heads == args.kv_heads && shape.head_dim == args.head_dim,
            "the cache is of another shape");
    GANTRY_RETURN_IF_ERROR(CheckRopes(*layout_, args.head_dim));
    GANTRY_RETURN_IF_ERROR(CheckBlocks(*layout_, shape));
    if (layout_->rows == 0) return absl::OkStatus();
    Bind();
    CudaAttention attention;
    attention.type = type_;
    attention.kv_type = CudaTypeOf(shape.dtype);
    attention.architecture = capability_;
    attention.heads = static_cast<int>(args.heads);
    attention.kv_heads = static_cast<int>(args.kv_heads);
    attention.head_dim = static_cast<int>(args.head_dim);
    attention.block_size = static_cast<int>(shape.block_size);
    attention.sliding_window = static_cast<int>(args.sliding_window);
    attention.scale = args.scale;
    attention.qkv = args.qkv->data();
    attention.out = args.out->data();
    attention.keys = cache.keys();
    attention.values = cache.values();
    if (!SupportsAttention(attention)) {
      return absl::InvalidArgumentError(absl::StrCat(
          name_, " has no attention for ", args.heads, " heads of ", args.head_dim, " with ",
          args.kv_heads, " of keys and values; expected heads of at most 256"));
    }
    const DeviceStep& step = buffers_.step();
    // Only outside of a recording: the first call of a key is not recorded.
    GANTRY_RETURN_IF_ERROR(
        ReserveAttention(AttentionWorkspaceBytes(attention, step.context_bound)));
    attention.workspace = attention_workspace_->data();
    if (!rotated_) {
      GANTRY_RETURN_IF_CUDA_ERROR(LaunchRotation(step, stream_), "rotary embedding");
      rotated_ = true;
    }
    return CudaStatus(LaunchAttention(step, attention, options_.deterministic, stream_),
                      "attention");
  }

  absl::Status GatherLogitRows(const Buffer& x, int64_t features, Buffer* out) override {
    Require(layout_ != nullptr, "GatherLogitRows outside of a step");
    CheckBytes(&x, layout_->rows, features, CudaTypeSize(type_), "x");
    CheckBytes(out, layout_->logit_rows.size(), features, CudaTypeSize(type_), "out");
    Require(out != &x, "rows cannot be gathered in place");
    if (layout_->logit_rows.empty()) return absl::OkStatus();
    Bind();
    return CudaStatus(LaunchGatherRows(type_, x.data(), buffers_.step().logit_rows,
                                       static_cast<int>(layout_->logit_rows.size()),
                                       static_cast<int>(features), type_, out->data(), stream_),
                      "gathering rows");
  }

  absl::Status Sample(const Buffer& logits, int64_t vocab, absl::Span<const SampleRequest> requests,
                      std::vector<SampleResult>* results) override {
    CheckBytes(&logits, requests.size(), vocab, sizeof(float), "logits");
    GANTRY_RETURN_IF_ERROR(CheckSampleRequests(requests, vocab));
    Bind();
    return sampler_.Sample(logits.as<float>(), vocab, requests, stream_, results);
  }

  absl::Status NoteNonFinite(const Buffer& x, int64_t features) override {
    Require(layout_ != nullptr, "NoteNonFinite outside of a step");
    CheckBytes(&x, layout_->rows, features, CudaTypeSize(type_), "x");
    if (layout_->rows == 0) return absl::OkStatus();
    Bind();
    GANTRY_RETURN_IF_CUDA_ERROR(
        LaunchNoteNonFinite(buffers_.step(), type_, x.data(), static_cast<int>(features), stream_),
        "looking for numbers that are not finite");
    return buffers_.FetchNonFinite(stream_);
  }
  absl::StatusOr<std::vector<int32_t>> NonFiniteRows() override {
    Require(layout_ != nullptr, "NonFiniteRows outside of a step");
    GANTRY_RETURN_IF_ERROR(Synchronize());
    std::vector<int32_t> rows;
    for (int32_t row = 0; row < layout_->rows; ++row) {
      if (buffers_.non_finite()[row] != 0) rows.push_back(row);
    }
    return rows;
  }

  absl::Status Synchronize() override {
    Bind();
    return CudaStatus(cudaStreamSynchronize(stream_), "computing");
  }

 private:
  CudaBackend(int device, int capability) : device_(device), capability_(capability) {}

  absl::Status Start() {
    Bind();
    cudaDeviceProp properties{};
    GANTRY_RETURN_IF_CUDA_ERROR(cudaGetDeviceProperties(&properties, device_), "opening");
    name_ = absl::StrCat("cuda:", device_, " (", properties.name, ")");
    GANTRY_RETURN_IF_CUDA_ERROR(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking),
                                "opening");
    GANTRY_RETURN_IF_CUDA_ERROR(cudaEventCreateWithFlags(&copied_, cudaEventDisableTiming),
                                "opening");
    GANTRY_RETURN_IF_CUDA_ERROR(cudaEventRecord(copied_, stream_), "opening");
    GANTRY_ASSIGN_OR_RETURN(
        products_, CudaProducts::Create({properties.multiProcessorCount, capability_,
                                         static_cast<int>(properties.sharedMemPerBlockOptin)},
                                        stream_));
    return absl::OkStatus();
  }

  // The current device belongs to the thread, and more than one may call.
  void Bind() const { cudaSetDevice(device_); }

  // Whatever moves, or is gone because there was no room, recordings of it are void.
  absl::Status ReserveProducts(int64_t tokens) {
    const absl::StatusOr<bool> moved = products_->Reserve(tokens, type_);
    if (!moved.ok() || *moved) graphs_.Clear();
    return moved.status();
  }
  template <typename Steps>
  absl::Status ReserveBuffers(const Steps& steps) {
    const absl::StatusOr<bool> moved = buffers_.Reserve(steps);
    if (!moved.ok() || *moved) graphs_.Clear();
    return moved.status();
  }
  absl::Status ReserveAttention(size_t bytes) {
    if (attention_workspace_ != nullptr && attention_workspace_->bytes() >= bytes) {
      return absl::OkStatus();
    }
    graphs_.Clear();
    attention_workspace_.reset();
    GANTRY_ASSIGN_OR_RETURN(attention_workspace_, CudaBuffer::Allocate(bytes));
    return CudaStatus(cudaMemsetAsync(attention_workspace_->data(), 0, bytes, stream_),
                      "clearing scratch");
  }

  const int device_;
  const int capability_;  // 10 * major + minor
  std::string name_;
  ComputeOptions options_;
  CudaType type_ = CudaType::kFloat;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t copied_ = nullptr;  // the layout of the last step
  std::unique_ptr<CudaProducts> products_;
  StepBuffers buffers_;
  std::unique_ptr<CudaBuffer> attention_workspace_;
  GraphCache graphs_;
  const StepLayout* layout_ = nullptr;
  bool rotated_ = false;  // step.rotation is this step's
  CudaSampler sampler_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> MakeCudaBackend(int device) {
  return CudaBackend::Open(device);
}

}  // namespace gantry
