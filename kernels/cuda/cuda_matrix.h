#ifndef GANTRY_KERNELS_CUDA_CUDA_MATRIX_H_
#define GANTRY_KERNELS_CUDA_CUDA_MATRIX_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "kernels/cuda/cuda_buffer.h"
#include "kernels/cuda/dequantise.h"
#include "kernels/cuda/four_bit.h"
#include "kernels/cuda/int8.h"

namespace gantry {

// A weight on a GPU, in one of four layouts.
class CudaMatrix : public Matrix {
 public:
  enum class Layout {
    kDense,    // rows of floats, halves or bfloat16
    kFourBit,  // repacked for FourBitProduct
    kTensors,  // 4-bit parts as bitsandbytes stores them: any shape and block size
    kInt8,
  };
  // A part of kTensors.
  struct Tensor {
    int64_t first_row = 0;
    int64_t rows = 0;
    FourBitTensor tensor;
  };

  size_t bytes() const override { return bytes_; }
  Layout layout() const { return layout_; }
  // kDense.
  CudaType type() const { return type_; }
  const void* values() const { return buffers_[0]->data(); }
  const FourBitWeights& four_bit() const { return four_bit_; }
  const CudaInt8Weights& int8() const { return int8_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  friend class CudaPacker;
  explicit CudaMatrix(const MatrixSource& source)
      : Matrix(source.format, source.rows, source.cols) {}

  Layout layout_ = Layout::kDense;
  CudaType type_ = CudaType::kFloat;
  FourBitWeights four_bit_;
  CudaInt8Weights int8_;
  std::vector<Tensor> tensors_;
  std::vector<std::unique_ptr<CudaBuffer>> buffers_;
  size_t bytes_ = 0;
};

// Whether products with such a weight take the repacked layout.
bool TakesFourBitLayout(const MatrixFormat& format, int64_t rows, int64_t cols, bool gated);

// Bytes that packing takes at most, for any number of parts up to four.
size_t CudaMatrixBytes(const MatrixFormat& format, int64_t rows, int64_t cols, bool gated);

// Makes matrices on the current device, quantising there what is not quantised yet; holds at most
// the canonical codes of the matrix and a piece of the source beyond the result.
absl::StatusOr<std::unique_ptr<Matrix>> PackCudaMatrix(const MatrixSource& source,
                                                       cudaStream_t stream);

CudaType CudaTypeOf(DType dtype);
CudaType CudaTypeOf(Scheme scheme);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CUDA_MATRIX_H_
