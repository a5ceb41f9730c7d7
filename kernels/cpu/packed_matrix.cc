#include "kernels/cpu/packed_matrix.h"

#include <algorithm>
#include <limits>

#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/part_reader.h"

namespace gantry {
namespace {

size_t ElementBytes(Scheme scheme) { return scheme == Scheme::kFp32 ? 4 : 2; }

// Rows [count, cols] to the panel's columns, rounded to the type that Narrow makes.
template <typename T, typename Narrow>
void Transpose(const float* rows, int64_t count, int64_t cols, T* panel, Narrow narrow) {
  for (int64_t row = 0; row < count; ++row) {
    const float* from = rows + row * cols;
    for (int64_t k = 0; k < cols; ++k) panel[k * kPanel + row] = narrow(from[k]);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Matrix>> PackedMatrix::Pack(const MatrixSource& source,
                                                           ThreadPool* pool) {
  const int64_t largest = std::numeric_limits<int64_t>::max() - kPanel;
  const int64_t padded_rows =
      source.rows > 0 ? CountPanels(std::min(source.rows, largest)) * kPanel : 0;
  const Scheme scheme = source.format.scheme.scheme;
  GANTRY_ASSIGN_OR_RETURN(size_t bytes,
                          CheckedArea(padded_rows, source.cols, ElementBytes(scheme), "a weight"));
  GANTRY_ASSIGN_OR_RETURN(HostMemory values, HostMemory::Allocate(bytes));
  GANTRY_ASSIGN_OR_RETURN(HostMemory rows,
                          HostMemory::Allocate(kPanel * source.cols * sizeof(float)));
  GANTRY_RETURN_IF_ERROR(CheckParts(source));
  TouchPages(values, pool);
  PartReader reader(source);
  for (int64_t first = 0; first < source.rows; first += kPanel) {
    const int64_t count = std::min(kPanel, source.rows - first);
    GANTRY_RETURN_IF_ERROR(reader.Read(first, count, rows.floats()));
    const int64_t at = first * source.cols;
    uint16_t* half = static_cast<uint16_t*>(values.data()) + at;
    if (scheme == Scheme::kFp32) {
      Transpose(rows.floats(), count, source.cols, values.floats() + at, [](float x) { return x; });
    } else if (scheme == Scheme::kFp16) {
      Transpose(rows.floats(), count, source.cols, half, FloatToF16);
    } else {
      Transpose(rows.floats(), count, source.cols, half, FloatToBF16);
    }
  }
  return std::unique_ptr<Matrix>(new PackedMatrix(source, std::move(values)));
}

size_t PackedMatrix::Bytes(const MatrixFormat& format, int64_t rows, int64_t cols) {
  return CountPanels(rows) * kPanel * cols * ElementBytes(format.scheme.scheme);
}

const float* PackedMatrix::Columns(const Isa& isa, int64_t panel, int64_t first, int64_t depth,
                                   float* scratch) const {
  const int64_t at = (panel * cols_ + first) * kPanel;
  if (scheme() == Scheme::kFp32) return values_.floats() + at;
  isa.widen(scheme() == Scheme::kFp16 ? Rounding::kF16 : Rounding::kBf16,
            static_cast<const uint16_t*>(values_.data()) + at, depth * kPanel, scratch);
  return scratch;
}

void PackedMatrix::MultiplyRow(const Isa& isa, int64_t panel, int64_t first, int64_t depth,
                               const float* x, float* sums) const {
  const int64_t at = (panel * cols_ + first) * kPanel;
  if (scheme() == Scheme::kFp32) {
    isa.tile(1, kPanel, depth, x, values_.floats() + at, kPanel, sums, kPanel, /*add=*/false);
    return;
  }
  std::fill_n(sums, kPanel, 0.0f);
  isa.half_row(scheme() == Scheme::kFp16 ? Rounding::kF16 : Rounding::kBf16,
               static_cast<const uint16_t*>(values_.data()) + at, depth, x, sums);
}

void PackedMatrix::CopyRow(int64_t i, float* out) const {
  const int64_t at = i / kPanel * cols_ * kPanel + i % kPanel;
  const uint16_t* half = static_cast<const uint16_t*>(values_.data()) + at;
  for (int64_t k = 0; k < cols_; ++k) {
    out[k] = scheme() == Scheme::kFp32   ? values_.floats()[at + k * kPanel]
             : scheme() == Scheme::kFp16 ? F16ToFloat(half[k * kPanel])
                                         : BF16ToFloat(half[k * kPanel]);
  }
}

}  // namespace gantry
