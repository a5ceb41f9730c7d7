#include "kernels/cuda/cuda_products.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda/convert.h"
#include "kernels/cuda/cublas_library.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/dequantise.h"
#include "kernels/cuda/finish.h"
#include "kernels/cuda/four_bit.h"
#include "kernels/cuda/int8.h"
#include "kernels/cuda/int8_slab.h"
#include "kernels/cuda/norm.h"

namespace gantry {
namespace {

constexpr size_t kCublasWorkspaceBytes = size_t{32} << 20;
// Dequantised weights of a slab. More than the second cache holds, but the library is faster on
// long matrices: 2,048 tokens of Llama-3-8B took 70.0 ms with slabs of 32 MiB on an H100 and 68.2
// with these.
constexpr int64_t kSlabBytes = int64_t{64} << 20;
// Tokens up to which it is faster to read 4-bit weights again for every kFourBitMaxTokens than to
// dequantise them for the library: of weights that take more than kSmallBytes so, and of others,
// which stay in the second cache. A step of 128 tokens took 19.1 instead of 25.8 ms of Llama-3-8B
// on an H100, but 5.4 instead of 4.2 of TinyLlama.
constexpr int64_t kSmallBytes = int64_t{32} << 20;
constexpr int kFourBitTokensByParts = 128;
constexpr int kFourBitTokensByPartsOfSmall = 64;
// Rows of an int8 slab, whose sums take 4 bytes a token.
constexpr int64_t kInt8SlabRows = 4096;
// Tokens that a product of a library is always made with where its order of sums must not depend
// on them.
constexpr int64_t kFixedTokens = 16;

cudaDataType_t CublasType(CudaType type) {
  switch (type) {
    case CudaType::kFloat:
      return CUDA_R_32F;
    case CudaType::kHalf:
      return CUDA_R_16F;
    case CudaType::kBFloat16:
      break;
  }
  return CUDA_R_16BF;
}

// The type that a weight is multiplied in, but for int8.
CudaType ComputeType(const CudaMatrix& weight) {
  return weight.layout() == CudaMatrix::Layout::kDense ? weight.type()
                                                       : CudaTypeOf(weight.format().compute_dtype);
}

// The first `tokens` tokens from `first` on.
CudaProduct Some(const CudaProduct& product, int first, int tokens) {
  CudaProduct some = product;
  const int64_t out_cols = IsGate(product.epilogue) ? product.rows / 2 : product.rows;
  const size_t out_size = product.float_out ? sizeof(float) : CudaTypeSize(product.type);
  some.x = static_cast<const char*>(product.x) +
           int64_t{first} * product.cols * CudaTypeSize(product.type);
  some.out = static_cast<char*>(product.out) + first * out_cols * out_size;
  some.tokens = tokens;
  return some;
}

absl::Status Grow(size_t bytes, std::unique_ptr<CudaBuffer>* buffer, bool* moved) {
  if (*buffer != nullptr && (*buffer)->bytes() >= bytes) return absl::OkStatus();
  buffer->reset();
  GANTRY_ASSIGN_OR_RETURN(*buffer, CudaBuffer::Allocate(bytes));
  *moved = true;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CudaProducts>> CudaProducts::Create(const CudaDevice& device,
                                                                   cudaStream_t stream) {
  GANTRY_RETURN_IF_ERROR(OpenCublas());
  std::unique_ptr<CudaProducts> products(new CudaProducts(device, stream));
  GANTRY_RETURN_IF_ERROR(CublasStatus(cublasCreate(&products->cublas_), "starting"));
  GANTRY_RETURN_IF_ERROR(CublasStatus(cublasSetStream(products->cublas_, stream), "starting"));
  GANTRY_ASSIGN_OR_RETURN(products->cublas_workspace_, CudaBuffer::Allocate(kCublasWorkspaceBytes));
  GANTRY_RETURN_IF_ERROR(
      CublasStatus(cublasSetWorkspace(products->cublas_, products->cublas_workspace_->data(),
                                      kCublasWorkspaceBytes),
                   "starting"));
  GANTRY_RETURN_IF_ERROR(CublasStatus(
      cublasSetMathMode(products->cublas_, static_cast<cublasMath_t>(
                                               CUBLAS_DEFAULT_MATH |
                                               CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
      "starting"));
  return products;
}

CudaProducts::~CudaProducts() {
  if (cublas_ != nullptr) cublasDestroy(cublas_);
}

int64_t CudaProducts::SlabRows(const CudaMatrix& weight) const {
  if (weight.layout() == CudaMatrix::Layout::kInt8) {
    return std::min<int64_t>((weight.rows() + 15) / 16 * 16, kInt8SlabRows);
  }
  const int64_t row_bytes = weight.cols() * CudaTypeSize(ComputeType(weight));
  const int64_t rows = std::max<int64_t>(16, kSlabBytes / row_bytes / 16 * 16);
  return std::min((weight.rows() + 15) / 16 * 16, rows);
}

void CudaProducts::Expect(const Matrix& matrix) {
  const auto& weight = static_cast<const CudaMatrix&>(matrix);
  needs_.cols = std::max(needs_.cols, weight.cols());
  const int64_t slab_rows = SlabRows(weight);
  needs_.slab_rows = std::max(needs_.slab_rows, slab_rows);
  if (weight.layout() == CudaMatrix::Layout::kInt8) {
    needs_.int8_cols = std::max(needs_.int8_cols, weight.cols());
  } else if (weight.layout() != CudaMatrix::Layout::kDense) {
    const int64_t bytes = slab_rows * weight.cols() * CudaTypeSize(ComputeType(weight));
    needs_.slab_bytes = std::max(needs_.slab_bytes, bytes);
  }
}

absl::StatusOr<bool> CudaProducts::Reserve(int64_t tokens, CudaType type) {
  if (deterministic_) tokens = std::max(tokens, kFixedTokens);
  bool moved = false;
  const size_t width = std::max(CudaTypeSize(type), sizeof(float));
  GANTRY_RETURN_IF_ERROR(Grow(tokens * needs_.cols * width, &normalised_, &moved));
  GANTRY_RETURN_IF_ERROR(Grow(tokens * needs_.cols * width, &converted_, &moved));
  GANTRY_RETURN_IF_ERROR(Grow(needs_.slab_bytes, &slab_, &moved));
  GANTRY_RETURN_IF_ERROR(Grow(tokens * needs_.slab_rows * sizeof(float), &sums_, &moved));
  if (needs_.int8_cols > 0) {
    const size_t count = tokens * needs_.int8_cols;
    GANTRY_RETURN_IF_ERROR(Grow(tokens * needs_.slab_rows * sizeof(float), &extra_, &moved));
    const size_t few = kInt8FewColumns * sizeof(half);
    GANTRY_RETURN_IF_ERROR(Grow(tokens * few, &few_values_, &moved));
    GANTRY_RETURN_IF_ERROR(Grow(needs_.slab_rows * few, &few_weights_, &moved));
    GANTRY_RETURN_IF_ERROR(Grow(tokens * sizeof(int32_t), &token_counts_, &moved));
    const size_t of_token = kInt8TokenOutliers * sizeof(uint32_t);
    GANTRY_RETURN_IF_ERROR(Grow(tokens * of_token, &token_outliers_, &moved));
    GANTRY_RETURN_IF_ERROR(Grow(count, &int8_codes_, &moved));
    GANTRY_RETURN_IF_ERROR(Grow(count * sizeof(half), &int8_values_, &moved));
    GANTRY_RETURN_IF_ERROR(Grow(tokens * sizeof(float), &int8_absmax_, &moved));
    const size_t columns = Int8ListInts(kInt8MaxTokens, needs_.int8_cols) * sizeof(int32_t);
    if (int8_columns_ == nullptr || int8_columns_->bytes() < columns) {
      GANTRY_RETURN_IF_ERROR(Grow(columns, &int8_columns_, &moved));
      GANTRY_RETURN_IF_CUDA_ERROR(cudaMemsetAsync(int8_columns_->data(), 0, columns, stream_),
                                  "clearing flags");
      reserved_int8_cols_ = needs_.int8_cols;
    }
  }
  return moved;
}

size_t CudaProducts::scratch_bytes() const {
  size_t bytes = cublas_workspace_->bytes();
  for (const std::unique_ptr<CudaBuffer>* buffer :
       {&normalised_, &converted_, &slab_, &sums_, &extra_, &few_values_, &few_weights_,
        &token_counts_, &token_outliers_, &int8_codes_, &int8_values_, &int8_absmax_,
        &int8_columns_}) {
    if (*buffer != nullptr) bytes += (*buffer)->bytes();
  }
  return bytes;
}

absl::Status CudaProducts::Run(const CudaMatrix& weight, const CudaProduct& product) {
  if (product.tokens == 0) return absl::OkStatus();
  switch (weight.layout()) {
    case CudaMatrix::Layout::kFourBit:
      return RunFourBit(weight, product);
    case CudaMatrix::Layout::kInt8:
      return RunInt8(weight, product);
    case CudaMatrix::Layout::kDense:
    case CudaMatrix::Layout::kTensors:
      break;
  }
  return RunByLibrary(weight, product);
}

absl::Status CudaProducts::RunByLibrary(const CudaMatrix& weight, const CudaProduct& product) {
  if (!deterministic_) return RunSlabs(weight, product, /*fixed_tokens=*/false);
  for (int first = 0; first < product.tokens; first += kFixedTokens) {
    const int tokens = std::min<int>(product.tokens - first, kFixedTokens);
    GANTRY_RETURN_IF_ERROR(RunSlabs(weight, Some(product, first, tokens), /*fixed_tokens=*/true));
  }
  return absl::OkStatus();
}

absl::Status CudaProducts::Normalise(CudaProduct* product) {
  if (product->norm_weight == nullptr) return absl::OkStatus();
  GANTRY_RETURN_IF_CUDA_ERROR(
      LaunchRmsNorm(product->type, product->x, product->norm_weight, product->norm_eps,
                    product->tokens, product->cols, normalised_->data(), stream_),
      "normalising");
  product->x = normalised_->data();
  product->norm_weight = nullptr;
  return absl::OkStatus();
}

absl::Status CudaProducts::RunFourBit(const CudaMatrix& weight, const CudaProduct& product) {
  const FourBitWeights& packed = weight.four_bit();
  const int most =
      product.type == ComputeType(weight) ? FourBitTokens(packed, product, device_) : 0;
  const bool small = weight.rows() * weight.cols() * 2 <= kSmallBytes;
  const int by_parts = small ? kFourBitTokensByPartsOfSmall : kFourBitTokensByParts;
  if (most == 0 || (product.tokens > by_parts * most / kFourBitMaxTokens && product.tokens > most &&
                    !deterministic_)) {
    return RunByLibrary(weight, product);
  }
  for (int first = 0; first < product.tokens; first += most) {
    CudaProduct few = Some(product, first, std::min(product.tokens - first, most));
    if (few.norm_weight != nullptr && !FusesFourBitNorm(packed, few, device_)) {
      GANTRY_RETURN_IF_ERROR(Normalise(&few));
    }
    GANTRY_RETURN_IF_CUDA_ERROR(FourBitProduct(packed, few, device_, stream_), "a 4-bit product");
  }
  return absl::OkStatus();
}

absl::Status CudaProducts::RunInt8(const CudaMatrix& weight, const CudaProduct& product) {
  const int most = Int8ProductTokens(product, device_);
  if (!deterministic_ || weight.format().outliers_per_batch || product.tokens <= most) {
    return RunInt8Once(weight, product, /*few=*/product.tokens <= most);
  }
  // Outliers of more tokens are summed in another order.
  const int step = most > 0 ? most : kInt8MaxTokens;
  for (int first = 0; first < product.tokens; first += step) {
    const int tokens = std::min(product.tokens - first, step);
    GANTRY_RETURN_IF_ERROR(RunInt8Once(weight, Some(product, first, tokens), /*few=*/most > 0));
  }
  return absl::OkStatus();
}

absl::Status CudaProducts::RunInt8Once(const CudaMatrix& weight, const CudaProduct& product,
                                       bool few) {
  const CudaInt8Options options = {weight.format().int8_threshold,
                                   weight.format().outliers_per_batch};
  CudaInt8Activations x;
  x.codes = int8_codes_->as<int8_t>();
  x.absmax = int8_absmax_->as<float>();
  x.values = int8_values_->as<half>();
  PlaceInt8Lists(int8_columns_->as<int32_t>(), kInt8MaxTokens, reserved_int8_cols_, &x);
  if (!few && Int8MultipliesEachToken(product.cols, device_)) {
    x.token_counts = token_counts_->as<int32_t>();
    x.token_outliers = token_outliers_->as<uint32_t>();
  }
  const CudaInt8Lists lists = !few                ? CudaInt8Lists::kManyTokens
                              : options.per_batch ? CudaInt8Lists::kAllTokens
                                                  : CudaInt8Lists::kEachToken;
  GANTRY_RETURN_IF_CUDA_ERROR(
      Int8Quantise(product.type, product.x, product.norm_weight, product.norm_eps, product.tokens,
                   product.cols, options, lists, x, stream_),
      "quantising activations");
  const bool gated = IsGate(product.epilogue);
  if (few) {
    return CudaStatus(Int8Product(weight.int8(), x, options, product, device_, stream_),
                      "an int8 product");
  }
  // Slabs of rows, the same of both halves of a gate.
  const int64_t height = gated ? product.rows / 2 : product.rows;
  const int64_t most = gated ? SlabRows(weight) / 2 : SlabRows(weight);
  CudaInt8Slab slab = {weight.int8(), x, options, product};
  int32_t* const sums = sums_->as<int32_t>();
  slab.sums = sums;
  slab.few_values = few_values_->as<half>();
  slab.few_weights = few_weights_->as<half>();
  slab.extra = extra_->as<float>();
  for (int64_t first = 0; first < height; first += most) {
    const int64_t rows = std::min(most, height - first);
    slab.first_row = static_cast<int>(first);
    slab.row_count = static_cast<int>(gated ? 2 * rows : rows);
    const int8_t* const codes = weight.int8().codes + first * product.cols;
    GANTRY_RETURN_IF_ERROR(
        MultiplyInt8(codes, rows, gated ? height : 0, x.codes, product.tokens, product.cols, sums));
    GANTRY_RETURN_IF_CUDA_ERROR(Int8Outliers(slab, device_, stream_), "an int8 product's outliers");
    GANTRY_RETURN_IF_CUDA_ERROR(Int8Finish(slab, stream_), "an int8 product");
  }
  return absl::OkStatus();
}

absl::Status CudaProducts::MultiplyInt8(const int8_t* weight, int64_t rows, int64_t apart,
                                        const int8_t* x, int64_t tokens, int64_t cols,
                                        int32_t* sums) {
  const int count = apart > 0 ? 2 : 1;
  const int64_t stride = count * rows;
  // What cuBLAS wants of an int8 product.
  if (cols % 16 != 0 || rows % 4 != 0) {
    for (int i = 0; i < count; ++i) {
      GANTRY_RETURN_IF_CUDA_ERROR(
          Int8Sums(weight + i * apart * cols, static_cast<int>(rows), x, static_cast<int>(tokens),
                   static_cast<int>(cols), sums + i * rows, static_cast<int>(stride), stream_),
          "an int8 product");
    }
    return absl::OkStatus();
  }
  const int32_t one = 1;
  const int32_t zero = 0;
  return CublasStatus(
      cublasGemmStridedBatchedEx(
          cublas_, CUBLAS_OP_T, CUBLAS_OP_N, static_cast<int>(rows), static_cast<int>(tokens),
          static_cast<int>(cols), &one, weight, CUDA_R_8I, static_cast<int>(cols), apart * cols, x,
          CUDA_R_8I, static_cast<int>(cols), 0, &zero, sums, CUDA_R_32I, static_cast<int>(stride),
          rows, count, CUBLAS_COMPUTE_32I, CUBLAS_GEMM_DEFAULT),
      absl::StrCat("an int8 product of [", tokens, ", ", cols, "] with ", stride, " rows"));
}

absl::Status CudaProducts::Multiply(CudaType type, const void* weight, int64_t rows, const void* x,
                                    int64_t tokens, int64_t cols, CudaType y_type, void* y,
                                    int64_t y_stride, bool add) {
  // cuBLAS counts columns first, so this is y^T = W x^T.
  const float one = 1;
  const float beta = add ? 1 : 0;
  return CublasStatus(
      cublasGemmEx(cublas_, CUBLAS_OP_T, CUBLAS_OP_N, static_cast<int>(rows),
                   static_cast<int>(tokens), static_cast<int>(cols), &one, weight, CublasType(type),
                   static_cast<int>(cols), x, CublasType(type), static_cast<int>(cols), &beta, y,
                   CublasType(y_type), static_cast<int>(y_stride), CUBLAS_COMPUTE_32F,
                   CUBLAS_GEMM_DEFAULT),
      absl::StrCat("a product of [", tokens, ", ", cols, "] with ", rows, " rows"));
}

absl::StatusOr<const void*> CudaProducts::SlabValues(const CudaMatrix& weight, int64_t first,
                                                     int64_t rows, void* to) {
  const CudaType type = ComputeType(weight);
  const int64_t row_bytes = weight.cols() * CudaTypeSize(type);
  if (weight.layout() == CudaMatrix::Layout::kDense) {
    return static_cast<const char*>(weight.values()) + first * row_bytes;
  }
  if (weight.layout() == CudaMatrix::Layout::kFourBit) {
    GANTRY_RETURN_IF_CUDA_ERROR(
        FourBitDequantise(weight.four_bit(), static_cast<int>(first / 16),
                          static_cast<int>((rows + 15) / 16), type, to, stream_),
        "dequantising");
    return to;
  }
  for (const CudaMatrix::Tensor& part : weight.tensors()) {
    const int64_t begin = std::max(first, part.first_row);
    const int64_t end = std::min(first + rows, part.first_row + part.rows);
    if (begin >= end) continue;
    GANTRY_RETURN_IF_CUDA_ERROR(
        LaunchDequantiseFourBit(part.tensor, begin - part.first_row, end - begin, type,
                                static_cast<char*>(to) + (begin - first) * row_bytes, stream_),
        "dequantising");
  }
  return to;
}

absl::Status CudaProducts::RunSlabs(const CudaMatrix& weight, CudaProduct product,
                                    bool fixed_tokens) {
  GANTRY_RETURN_IF_ERROR(Normalise(&product));
  const CudaType type = ComputeType(weight);
  const int64_t tokens = fixed_tokens ? kFixedTokens : product.tokens;
  const int64_t cols = product.cols;
  const void* x = product.x;
  if (type != product.type || fixed_tokens) {
    GANTRY_RETURN_IF_CUDA_ERROR(
        LaunchConvert(product.type, x, product.tokens * cols, type, converted_->data(), stream_),
        "converting activations");
    x = converted_->data();
  }
  const bool gated = IsGate(product.epilogue);
  const bool packed = weight.layout() == CudaMatrix::Layout::kFourBit;
  // Gates of packed weights lie beside what they gate; of others they are half the rows away.
  const bool halves = gated && !packed;
  const int64_t height = halves ? product.rows / 2 : product.rows;
  int64_t most = halves ? SlabRows(weight) / 2 : SlabRows(weight);
  // The output itself, unless something is to be done to it. A slab beyond the last row is not.
  const bool direct =
      !gated && !fixed_tokens && product.bias == nullptr &&
      (product.float_out ? product.epilogue == CudaEpilogue::kNone : type == product.type);
  if (direct && weight.layout() == CudaMatrix::Layout::kDense) most = height;
  const CudaType out_type = product.float_out ? CudaType::kFloat : product.type;
  const CudaType sums_type = product.float_out ? CudaType::kFloat : type;
  for (int64_t first = 0; first < height; first += most) {
    const int64_t rows = std::min(most, height - first);
    if (direct) {
      GANTRY_ASSIGN_OR_RETURN(const void* values, SlabValues(weight, first, rows, slab_->data()));
      char* const out = static_cast<char*>(product.out) + first * CudaTypeSize(out_type);
      GANTRY_RETURN_IF_ERROR(Multiply(type, values, rows, x, tokens, cols, out_type, out,
                                      product.rows, product.epilogue == CudaEpilogue::kAddTo));
      continue;
    }
    const int64_t stride = halves ? 2 * rows : rows;
    for (int half = 0; half < (halves ? 2 : 1); ++half) {
      GANTRY_ASSIGN_OR_RETURN(const void* values,
                              SlabValues(weight, first + half * height, rows, slab_->data()));
      char* const sums = sums_->as<char>() + half * rows * CudaTypeSize(sums_type);
      GANTRY_RETURN_IF_ERROR(
          Multiply(type, values, rows, x, tokens, cols, sums_type, sums, stride, /*add=*/false));
    }
    GANTRY_RETURN_IF_CUDA_ERROR(
        FinishProduct(product, sums_type, sums_->data(), static_cast<int>(first),
                      static_cast<int>(stride), packed, stream_),
        "finishing a product");
  }
  return absl::OkStatus();
}

}  // namespace gantry
