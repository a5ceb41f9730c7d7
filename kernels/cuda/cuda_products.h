#ifndef GANTRY_KERNELS_CUDA_CUDA_PRODUCTS_H_
#define GANTRY_KERNELS_CUDA_CUDA_PRODUCTS_H_

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "kernels/cuda/cuda_buffer.h"
#include "kernels/cuda/cuda_matrix.h"
#include "kernels/cuda/product.h"

namespace gantry {

// Backend::Linear on a GPU: our kernels for few tokens, cuBLAS on dequantised slabs of the weight
// for many. One stream.
class CudaProducts {
 public:
  static absl::StatusOr<std::unique_ptr<CudaProducts>> Create(const CudaDevice& device,
                                                              cudaStream_t stream);
  ~CudaProducts();

  void set_deterministic(bool deterministic) { deterministic_ = deterministic; }

  // A weight that products will be asked with: its scratch is counted by Reserve.
  void Expect(const Matrix& weight);
  // Makes room for products of `tokens` tokens with all expected weights, whose activations are of
  // `type`. Returns true if the scratch has moved, so that recordings of it are void.
  absl::StatusOr<bool> Reserve(int64_t tokens, CudaType type);
  size_t scratch_bytes() const;

  // Requires a reservation for as many tokens.
  absl::Status Run(const CudaMatrix& weight, const CudaProduct& product);

 private:
  CudaProducts(const CudaDevice& device, cudaStream_t stream) : device_(device), stream_(stream) {}
  absl::Status RunFourBit(const CudaMatrix& weight, const CudaProduct& product);
  absl::Status RunInt8(const CudaMatrix& weight, const CudaProduct& product);
  // By our kernel for few tokens, or by cuBLAS slab by slab of the weight's rows.
  absl::Status RunInt8Once(const CudaMatrix& weight, const CudaProduct& product, bool few);
  // By cuBLAS, slab by slab of the weight's rows. With `fixed_tokens` no more than those, and
  // always so many in one product, so that its order of sums does not depend on them.
  absl::Status RunSlabs(const CudaMatrix& weight, CudaProduct product, bool fixed_tokens);
  absl::Status RunByLibrary(const CudaMatrix& weight, const CudaProduct& product);
  // product.x normalised, in scratch.
  absl::Status Normalise(CudaProduct* product);
  // y = x W^T for rows of W, [rows, cols]; y has rows `y_stride` apart.
  absl::Status Multiply(CudaType type, const void* weight, int64_t rows, const void* x,
                        int64_t tokens, int64_t cols, CudaType y_type, void* y, int64_t y_stride,
                        bool add);
  // sums [tokens, rows] = x W^T for rows of W; with `apart` [tokens, 2 * rows], as many rows that
  // begin so many after those being the second half.
  absl::Status MultiplyInt8(const int8_t* weight, int64_t rows, int64_t apart, const int8_t* x,
                            int64_t tokens, int64_t cols, int32_t* sums);
  // Rows [first, first + rows) of the weight in its compute type: where they are, or in `to`.
  absl::StatusOr<const void*> SlabValues(const CudaMatrix& weight, int64_t first, int64_t rows,
                                         void* to);
  int64_t SlabRows(const CudaMatrix& weight) const;

  // The largest of all expected weights.
  struct Needs {
    int64_t cols = 0;
    int64_t int8_cols = 0;
    int64_t slab_bytes = 0;  // of dequantised weights
    int64_t slab_rows = 0;   // whose products wait to be finished
  };

  const CudaDevice device_;
  const cudaStream_t stream_;
  bool deterministic_ = false;
  cublasHandle_t cublas_ = nullptr;
  std::unique_ptr<CudaBuffer> cublas_workspace_;
  Needs needs_;
  int64_t reserved_int8_cols_ = 0;
  std::unique_ptr<CudaBuffer> normalised_;  // [tokens, cols], up to 4 bytes each
  std::unique_ptr<CudaBuffer> converted_;   // the same
  std::unique_ptr<CudaBuffer> slab_;
  std::unique_ptr<CudaBuffer> sums_;
  std::unique_ptr<CudaBuffer> extra_;  // this and the next four: outliers of int8 slabs
  std::unique_ptr<CudaBuffer> few_values_;
  std::unique_ptr<CudaBuffer> few_weights_;
  std::unique_ptr<CudaBuffer> token_counts_;
  std::unique_ptr<CudaBuffer> token_outliers_;
  std::unique_ptr<CudaBuffer> int8_codes_;
  std::unique_ptr<CudaBuffer> int8_values_;
  std::unique_ptr<CudaBuffer> int8_absmax_;
  std::unique_ptr<CudaBuffer> int8_columns_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_CUDA_PRODUCTS_H_
