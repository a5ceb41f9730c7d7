#ifndef GANTRY_KERNELS_CPU_PACKED_MATRIX_H_
#define GANTRY_KERNELS_CPU_PACKED_MATRIX_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "kernels/cpu/panel_matrix.h"

namespace gantry {

// Weights in fp32, fp16 or bf16: [panels, cols, 32] of that type.
class PackedMatrix : public PanelMatrix {
 public:
  static absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source, ThreadPool* pool);
  static size_t Bytes(const MatrixFormat& format, int64_t rows, int64_t cols);

  size_t bytes() const override { return values_.bytes(); }
  const float* Columns(const Isa& isa, int64_t panel, int64_t first, int64_t depth,
                       float* scratch) const override;
  void MultiplyRow(const Isa& isa, int64_t panel, int64_t first, int64_t depth, const float* x,
                   float* sums) const override;
  // Copies row i to out[cols].
  void CopyRow(int64_t i, float* out) const;

 private:
  PackedMatrix(const MatrixSource& source, HostMemory values)
      : PanelMatrix(source.format, source.rows, source.cols), values_(std::move(values)) {}
  HostMemory values_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_PACKED_MATRIX_H_
