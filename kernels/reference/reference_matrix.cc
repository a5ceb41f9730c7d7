#include "kernels/reference/reference_matrix.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/packed_part.h"
#include "kernels/part_reader.h"
#include "kernels/reference/quantize.h"

namespace gantry {
namespace {

DType StoredType(Scheme scheme) {
  switch (scheme) {
    case Scheme::kFp32:
      return DType::kF32;
    case Scheme::kBf16:
      return DType::kBF16;
    default:
      return DType::kF16;
  }
}

void Store(DType dtype, absl::Span<const float> from, int64_t at, HostMemory* to) {
  for (size_t i = 0; i < from.size(); ++i) {
    if (dtype == DType::kF32) {
      to->floats()[at + i] = from[i];
    } else {
      static_cast<uint16_t*>(to->data())[at + i] =
          dtype == DType::kBF16 ? FloatToBF16(from[i]) : FloatToF16(from[i]);
    }
  }
}

void ForEachInTurn(int64_t count, absl::FunctionRef<void(int64_t)> body) {
  for (int64_t i = 0; i < count; ++i) body(i);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Matrix>> ReferenceMatrix::Pack(const MatrixSource& source) {
  GANTRY_RETURN_IF_ERROR(CheckFormat(source.format));
  GANTRY_RETURN_IF_ERROR(CheckedArea(source.rows, source.cols, sizeof(float), "a weight").status());
  GANTRY_RETURN_IF_ERROR(CheckParts(source));
  std::unique_ptr<ReferenceMatrix> matrix(
      new ReferenceMatrix(source.format, source.rows, source.cols));
  const TensorScheme& scheme = source.format.scheme;
  const DType stored = StoredType(scheme.scheme);
  if (!IsQuantised(scheme.scheme)) {
    GANTRY_ASSIGN_OR_RETURN(matrix->values_,
                            HostMemory::Allocate(source.rows * source.cols * DTypeSize(stored)));
    PartReader reader(source);
    std::vector<float> row(source.cols);
    for (int64_t i = 0; i < source.rows; ++i) {
      GANTRY_RETURN_IF_ERROR(reader.Read(i, 1, row.data()));
      Store(stored, row, i * source.cols, &matrix->values_);
    }
    return std::unique_ptr<Matrix>(std::move(matrix));
  }
  for (size_t i = 0; i < source.parts.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(PackedTensor tensor, ReadPackedPart(source, i, ForEachInTurn));
    matrix->parts_.push_back(std::move(tensor));
  }
  return std::unique_ptr<Matrix>(std::move(matrix));
}

size_t ReferenceMatrix::Bytes(const MatrixFormat& format, int64_t rows, int64_t cols) {
  const int64_t count = rows * cols;
  const TensorScheme& scheme = format.scheme;
  if (scheme.scheme == Scheme::kInt8) {
    return count + rows * sizeof(float);
  }
  if (!IsFourBit(scheme.scheme)) return count * DTypeSize(StoredType(scheme.scheme));
  const int64_t blocks = count / scheme.block_size + kMostParts;
  const int64_t packed = count / 2 + kMostParts;
  if (!scheme.double_quant) return packed + blocks * sizeof(float);
  return packed + blocks + (blocks / kNestedBlockSize + kMostParts) * sizeof(float);
}

void ReferenceMatrix::ReadRow(int64_t i, float* out) const {
  const Scheme scheme = format_.scheme.scheme;
  if (values_.bytes() > 0) {
    const DType stored = StoredType(scheme);
    ToFloat(stored, static_cast<const char*>(values_.data()) + i * cols_ * DTypeSize(stored), cols_,
            out);
    return;
  }
  const PackedTensor& part = PartOf(&i);
  Dequantise(part, i, 1, scheme == Scheme::kInt8 ? DType::kF16 : format_.compute_dtype, out);
}

const int8_t* ReferenceMatrix::Codes(int64_t i) const {
  const PackedTensor& part = PartOf(&i);
  return reinterpret_cast<const int8_t*>(part.codes.data()) + i * cols_;
}

float ReferenceMatrix::Scb(int64_t i) const {
  const PackedTensor& part = PartOf(&i);
  return part.absmax[i];
}

const PackedTensor& ReferenceMatrix::PartOf(int64_t* i) const {
  size_t part = 0;
  while (*i >= parts_[part].rows) *i -= parts_[part++].rows;
  return parts_[part];
}

}  // namespace gantry
