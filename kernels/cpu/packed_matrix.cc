#include "kernels/cpu/packed_matrix.h"

#include <algorithm>
#include <limits>

#include "base/status_macros.h"
#include "kernels/arguments.h"
#include "kernels/part_reader.h"

namespace gantry {

namespace {

// The system finds and clears pages when they are first written, which on a virtual machine may
// take longer than all the rest of loading: all threads do it.
void TouchPages(const HostMemory& memory, ThreadPool* pool) {
  constexpr size_t kPiece = size_t{2} << 20;
  constexpr size_t kPage = 4096;
  volatile char* data = static_cast<char*>(memory.data());
  pool->ParallelFor((memory.bytes() + kPiece - 1) / kPiece, 1,
                    [&](int64_t begin, int64_t end, int) {
                      const size_t last = std::min(memory.bytes(), end * kPiece);
                      for (size_t at = begin * kPiece; at < last; at += kPage) data[at] = 0;
                    });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Matrix>> PackedMatrix::Pack(const MatrixSource& source,
                                                           ThreadPool* pool) {
  const int64_t largest = std::numeric_limits<int64_t>::max() - kPanel;
  const int64_t padded_rows =
      source.rows > 0 ? (std::min(source.rows, largest) + kPanel - 1) / kPanel * kPanel : 0;
  GANTRY_ASSIGN_OR_RETURN(size_t bytes,
                          CheckedArea(padded_rows, source.cols, sizeof(float), "a weight"));
  GANTRY_ASSIGN_OR_RETURN(HostMemory values, HostMemory::Allocate(bytes));
  GANTRY_ASSIGN_OR_RETURN(HostMemory rows,
                          HostMemory::Allocate(kPanel * source.cols * sizeof(float)));
  GANTRY_RETURN_IF_ERROR(CheckParts(source));
  TouchPages(values, pool);
  PartReader reader(source);
  for (int64_t first = 0; first < source.rows; first += kPanel) {
    const int64_t count = std::min(kPanel, source.rows - first);
    GANTRY_RETURN_IF_ERROR(reader.Read(first, count, rows.floats()));
    float* panel = values.floats() + first * source.cols;
    for (int64_t row = 0; row < count; ++row) {
      const float* from = rows.floats() + row * source.cols;
      for (int64_t k = 0; k < source.cols; ++k) panel[k * kPanel + row] = from[k];
    }
  }
  return std::unique_ptr<Matrix>(new PackedMatrix(source, std::move(values)));
}

void PackedMatrix::CopyRow(int64_t i, float* out) const {
  const float* from = panel(i / kPanel) + i % kPanel;
  for (int64_t k = 0; k < cols_; ++k) out[k] = from[k * kPanel];
}

}  // namespace gantry
