#include "kernels/packed_part.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/host_memory.h"
#include "kernels/part_reader.h"
#include "kernels/reference/quantize.h"

namespace gantry {
namespace {

// Weights that are read or quantised in one go.
constexpr int64_t kPiece = int64_t{1} << 18;

std::string Describe(const TensorScheme& scheme, int64_t rows, int64_t cols) {
  std::string text = absl::StrCat("[", rows, ", ", cols, "] in ", SchemeName(scheme.scheme));
  if (IsFourBit(scheme.scheme)) {
    absl::StrAppend(&text, " with blocks of ", scheme.block_size,
                    scheme.double_quant ? " and double quantisation" : "");
  }
  return text;
}

absl::StatusOr<PackedTensor> ReadStored(const MatrixPart& part, const TensorScheme& scheme,
                                        int64_t cols) {
  GANTRY_ASSIGN_OR_RETURN(PackedTensor tensor, part.read_packed());
  GANTRY_RETURN_IF_ERROR(CheckPackedTensor(tensor));
  const bool same =
      tensor.rows == part.rows && tensor.cols == cols && tensor.scheme.scheme == scheme.scheme &&
      (!IsFourBit(scheme.scheme) || (tensor.scheme.block_size == scheme.block_size &&
                                     tensor.scheme.double_quant == scheme.double_quant));
  if (!same) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", Describe(scheme, part.rows, cols), ", found ",
                     Describe(tensor.scheme, tensor.rows, tensor.cols)));
  }
  return tensor;
}

// Rows that end with a block, and so can be quantised apart.
int64_t RowsOfWholeBlocks(const TensorScheme& scheme, int64_t cols) {
  return IsFourBit(scheme.scheme) ? scheme.block_size / std::gcd(scheme.block_size, cols) : 1;
}

absl::StatusOr<PackedTensor> QuantisePieces(const TensorScheme& scheme, int64_t rows, int64_t cols,
                                            absl::Span<const float> weights,
                                            ForEachFunction for_each) {
  TensorScheme plain = scheme;
  plain.double_quant = false;
  const int64_t unit = RowsOfWholeBlocks(scheme, cols);
  const int64_t step = unit * std::max<int64_t>(1, kPiece / (unit * cols));
  std::vector<absl::StatusOr<PackedTensor>> pieces((rows + step - 1) / step);
  for_each(pieces.size(), [&](int64_t i) {
    const int64_t count = std::min(step, rows - i * step);
    pieces[i] = Quantise(plain, count, cols, weights.subspan(i * step * cols, count * cols));
  });
  PackedTensor tensor;
  tensor.scheme = scheme;
  tensor.rows = rows;
  tensor.cols = cols;
  for (const absl::StatusOr<PackedTensor>& piece : pieces) {
    // The whole, so that the error counts rows from the start.
    if (!piece.ok()) return Quantise(plain, rows, cols, weights);
    tensor.codes.insert(tensor.codes.end(), piece->codes.begin(), piece->codes.end());
    tensor.absmax.insert(tensor.absmax.end(), piece->absmax.begin(), piece->absmax.end());
  }
  if (scheme.double_quant) QuantiseAbsmax(&tensor);
  return tensor;
}

}  // namespace

absl::StatusOr<PackedTensor> ReadPackedPart(const MatrixSource& source, size_t index,
                                            ForEachFunction for_each) {
  const MatrixPart& part = source.parts[index];
  const TensorScheme& scheme = source.format.scheme;
  if (part.read_packed != nullptr) return ReadStored(part, scheme, source.cols);
  int64_t first = 0;
  for (size_t i = 0; i < index; ++i) first += source.parts[i].rows;
  const int64_t count = part.rows * source.cols;
  GANTRY_ASSIGN_OR_RETURN(HostMemory values, HostMemory::Allocate(count * sizeof(float)));
  PartReader reader(source);
  const int64_t step = std::max<int64_t>(1, kPiece / source.cols);
  for (int64_t row = 0; row < part.rows; row += step) {
    GANTRY_RETURN_IF_ERROR(reader.Read(first + row, std::min(step, part.rows - row),
                                       values.floats() + row * source.cols));
  }
  return QuantisePieces(scheme, part.rows, source.cols, absl::MakeConstSpan(values.floats(), count),
                        for_each);
}

}  // namespace gantry
