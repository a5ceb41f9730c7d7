#ifndef GANTRY_KERNELS_REFERENCE_REFERENCE_MATRIX_H_
#define GANTRY_KERNELS_REFERENCE_REFERENCE_MATRIX_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/packed.h"
#include "kernels/backend.h"
#include "kernels/host_memory.h"

namespace gantry {

// Weights of any scheme as bitsandbytes stores them, part after part.
class ReferenceMatrix : public Matrix {
 public:
  static absl::StatusOr<std::unique_ptr<Matrix>> Pack(const MatrixSource& source);
  // 4-bit: as if each of kMostParts ended in a byte, a block and a nested block of its own.
  static size_t Bytes(const MatrixFormat& format, int64_t rows, int64_t cols);

  size_t bytes() const override { return Bytes(format_, rows_, cols_); }
  // Fills out[cols] with the values of row i that activations are multiplied by: 4-bit ones rounded
  // to the compute dtype; int8 ones, which outliers are multiplied by, in fp16.
  void ReadRow(int64_t i, float* out) const;
  // int8: the codes of row i, [cols], and its absmax.
  const int8_t* Codes(int64_t i) const;
  float Scb(int64_t i) const;

 private:
  using Matrix::Matrix;
  // The part with row *i, which becomes the row within it.
  const PackedTensor& PartOf(int64_t* i) const;

  HostMemory values_;  // [rows, cols] of fp32, fp16 or bf16
  std::vector<PackedTensor> parts_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_REFERENCE_REFERENCE_MATRIX_H_
