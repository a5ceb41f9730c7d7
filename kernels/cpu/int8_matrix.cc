#include "kernels/cpu/int8_matrix.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/packed_part.h"
#include "kernels/part_reader.h"

namespace gantry {
namespace {

// A sum of so many products of codes fits 32 bits.
constexpr int64_t kMostCols = ((int64_t{1} << 31) - 1) / (127 * 127);

}  // namespace

absl::StatusOr<std::unique_ptr<Matrix>> Int8Matrix::Pack(const MatrixSource& source,
                                                         ThreadPool* pool) {
  // In floats all sizes fit; in bytes they do then.
  GANTRY_RETURN_IF_ERROR(
      CheckedArea(source.rows, source.cols, sizeof(float) * kPanel, "a weight").status());
  if (source.cols > kMostCols) {
    return absl::InvalidArgumentError(absl::StrCat("a weight in int8 of ", source.cols,
                                                   " columns; at most ", kMostCols,
                                                   " are summed exactly"));
  }
  GANTRY_RETURN_IF_ERROR(CheckParts(source));
  std::unique_ptr<Int8Matrix> matrix(new Int8Matrix(source.format, source.rows, source.cols));
  matrix->code_bytes_ = CountPanels(source.rows) * matrix->groups() * kInt8Group * kPanel;
  GANTRY_ASSIGN_OR_RETURN(matrix->memory_, HostMemory::Allocate(Bytes(source.rows, source.cols)));
  TouchPages(matrix->memory_, pool);
  std::memset(matrix->codes(), kInt8Offset, matrix->code_bytes_);
  int64_t first_row = 0;
  for (size_t i = 0; i < source.parts.size(); ++i) {
    GANTRY_RETURN_IF_ERROR(matrix->PackPart(source, i, first_row, pool));
    first_row += source.parts[i].rows;
  }
  return std::unique_ptr<Matrix>(std::move(matrix));
}

absl::Status Int8Matrix::PackPart(const MatrixSource& source, size_t index, int64_t first_row,
                                  ThreadPool* pool) {
  GANTRY_ASSIGN_OR_RETURN(const PackedTensor tensor,
                          ReadPackedPart(source, index, ForEachOn(pool)));
  std::copy(tensor.absmax.begin(), tensor.absmax.end(), scb() + first_row);
  ForEachOn(pool)(tensor.rows, [&](int64_t i) {
    const int64_t row = first_row + i;
    const int64_t lane = row % kPanel;
    const uint8_t* from = tensor.codes.data() + i * cols_;
    uint8_t* to = codes() + row / kPanel * groups() * kInt8Group * kPanel + lane * kInt8Group;
    for (int64_t k = 0; k < cols_; ++k) {
      to[k / kInt8Group * kInt8Group * kPanel + k % kInt8Group] =
          static_cast<uint8_t>(from[k] + kInt8Offset);
    }
  });
  return absl::OkStatus();
}

size_t Int8Matrix::Bytes(int64_t rows, int64_t cols) {
  const int64_t padded_rows = CountPanels(rows) * kPanel;
  const int64_t padded_cols = (cols + kInt8Group - 1) / kInt8Group * kInt8Group;
  return padded_rows * (padded_cols + sizeof(float));
}

void Int8Matrix::Column(const Isa& isa, int64_t panel, int64_t k, float* out) const {
  const uint8_t* group = this->panel(panel) + k / kInt8Group * kInt8Group * kPanel;
  isa.int8_column(group, static_cast<int>(k % kInt8Group), scb(panel), out);
}

}  // namespace gantry
