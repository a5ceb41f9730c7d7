#include "kernels/cuda/cuda_matrix.h"

#include "kernels/part_reader.h"

namespace gantry {
namespace {

// cudaMalloc takes multiples of this.
constexpr size_t kAlignment = 256;
static_assert(kMostParts <= kFourBitMaxParts, "a 4-bit weight keeps statistics of each part");

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

CudaType CudaTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return CudaType::kHalf;
    case DType::kBF16:
      return CudaType::kBFloat16;
    default:
      return CudaType::kFloat;
  }
}

CudaType CudaTypeOf(Scheme scheme) {
  switch (scheme) {
    case Scheme::kFp16:
      return CudaType::kHalf;
    case Scheme::kBf16:
      return CudaType::kBFloat16;
    default:
      return CudaType::kFloat;
  }
}

bool TakesFourBitLayout(const MatrixFormat& format, int64_t rows, int64_t cols, bool gated) {
  return format.compute_dtype != DType::kF32 &&
         SupportsFourBitLayout(rows, cols, format.scheme.block_size, gated);
}

size_t CudaMatrixBytes(const MatrixFormat& format, int64_t rows, int64_t cols, bool gated) {
  const TensorScheme& scheme = format.scheme;
  const int64_t count = rows * cols;
  switch (scheme.scheme) {
    case Scheme::kFp32:
    case Scheme::kFp16:
    case Scheme::kBf16:
      return count * CudaTypeSize(CudaTypeOf(scheme.scheme));
    case Scheme::kInt8:
      return count + rows * sizeof(float);
    case Scheme::kNf4:
    case Scheme::kFp4:
      break;
  }
  const int64_t blocks = CeilDiv(count, scheme.block_size) + kMostParts;
  const size_t nested =
      scheme.double_quant ? (CeilDiv(blocks, kNestedBlockSize) + kMostParts + 256) * sizeof(float) +
                                kMostParts * kAlignment
                          : 0;
  if (TakesFourBitLayout(format, rows, cols, gated)) {
    return FourBitBytes(rows, cols, scheme.double_quant) + nested;
  }
  return count / 2 + blocks * (scheme.double_quant ? 1 : sizeof(float)) + nested +
         2 * kMostParts * kAlignment;
}

}  // namespace gantry
