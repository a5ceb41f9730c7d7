#ifndef GANTRY_KERNELS_CPU_INT8_MATRIX_H_
#define GANTRY_KERNELS_CPU_INT8_MATRIX_H_

#include <memory>

#include "absl/status/statusor.h"
#include "base/packed.h"
#include "kernels/cpu/panel_matrix.h"

namespace gantry {

// Weights of LLM.int8() in panels of 32 rows and groups of 4 columns, for products of bytes: code +
// 128 as [panels, groups, 32, 4], what is beyond rows and columns being 128; the absmax of each
// row.
class Int8Matrix : public Matrix {
 public:
  static absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source, ThreadPool* pool);
  static size_t Bytes(int64_t rows, int64_t cols);

  size_t bytes() const override { return memory_.bytes(); }
  int64_t groups() const { return (cols_ + kInt8Group - 1) / kInt8Group; }
  // [groups, 32, 4]
  const uint8_t* panel(int64_t i) const { return codes() + i * groups() * kInt8Group * kPanel; }
  // Of the rows of a panel, [32].
  const float* scb(int64_t i) const { return scb() + i * kPanel; }
  // out[32] = a column of a panel as outliers are multiplied by it, in fp16.
  void Column(const Isa& isa, int64_t panel, int64_t k, float* out) const;

 private:
  using Matrix::Matrix;
  absl::Status PackPart(const MatrixSource& source, size_t index, int64_t first_row,
                        ThreadPool* pool);
  uint8_t* codes() const { return static_cast<uint8_t*>(memory_.data()); }
  float* scb() const { return reinterpret_cast<float*>(codes() + code_bytes_); }

  size_t code_bytes_ = 0;
  HostMemory memory_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_INT8_MATRIX_H_
