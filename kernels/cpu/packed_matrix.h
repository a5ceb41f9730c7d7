#ifndef GANTRY_KERNELS_CPU_PACKED_MATRIX_H_
#define GANTRY_KERNELS_CPU_PACKED_MATRIX_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa_kernels.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/host_memory.h"

namespace gantry {

// fp32 weights in panels of 32 rows: [ceil(rows / 32), cols, 32], the last panel filled up with
// zeros. A panel is read from front to back, one output feature a lane.
class PackedMatrix : public Matrix {
 public:
  static absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source, ThreadPool* pool);
  static size_t Bytes(int64_t rows, int64_t cols) {
    return (rows + kPanel - 1) / kPanel * kPanel * cols * sizeof(float);
  }

  size_t bytes() const override { return values_.bytes(); }
  const float* panel(int64_t i) const { return values_.floats() + i * cols_ * kPanel; }
  // Copies row i to out[cols].
  void CopyRow(int64_t i, float* out) const;

 private:
  PackedMatrix(const MatrixSource& source, HostMemory values)
      : Matrix(source.format, source.rows, source.cols), values_(std::move(values)) {}
  HostMemory values_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_PACKED_MATRIX_H_
