#ifndef GANTRY_KERNELS_CUDA_INT8_H_
#define GANTRY_KERNELS_CUDA_INT8_H_

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/product.h"

namespace gantry {

// LLM.int8(): products of integers, and of half where an activation is an outlier. The formulas are
// bitsandbytes', kernels/reference/quantize.h.

struct CudaInt8Weights {
  int8_t* codes = nullptr;  // [rows, cols]
  float* scb = nullptr;     // [rows]: the absmax of each row
  half* values = nullptr;   // [rows, cols] or null: multiplies outliers instead of code * scb / 127
  int rows = 0;
  int cols = 0;
};

// Tokens that Int8Product takes at most.
inline constexpr int kInt8MaxTokens = 32;
// Where the outlier columns of each lane begin, and where the last one's end.
inline constexpr int kInt8Starts = 33;

// Quantised activations of some tokens, and buffers beside them.
struct CudaInt8Activations {
  int8_t* codes = nullptr;  // [tokens, cols]; 0 for an outlier
  float* absmax = nullptr;  // [tokens], of what is no outlier
  half* values = nullptr;   // [tokens, cols]: all of them before they are quantised
  // Outlier columns, as CudaInt8Lists says; where they are by column % 32, `starts` has the first
  // of each 32.
  int32_t* columns = nullptr;  // [tokens or 1, cols]
  int32_t* starts = nullptr;   // [tokens or 1, kInt8Starts]
  // Of the union. `any` and `flags` are 0 before Int8Quantise and after it.
  int32_t* count = nullptr;  // [1]
  int32_t* any = nullptr;    // [1]
  int32_t* flags = nullptr;  // [cols]
};

// The integers from `count` on that lists for so many tokens and columns take together.
constexpr int64_t Int8ListInts(int tokens, int64_t cols) {
  return 2 + int64_t{tokens} * kInt8Starts + (tokens + 1) * cols;
}
// Lays them out in `ints`.
inline void PlaceInt8Lists(int32_t* ints, int tokens, int64_t cols, CudaInt8Activations* x) {
  x->count = ints;
  x->any = x->count + 1;
  x->starts = x->any + 1;
  x->flags = x->starts + tokens * kInt8Starts;
  x->columns = x->flags + cols;
}

struct CudaInt8Options {
  float threshold = 6;  // 0: nothing is an outlier
  // A column with an outlier of one token is one for every token.
  bool per_batch = false;
};

// How Int8Quantise lists outliers.
enum class CudaInt8Lists {
  // For each token, by column % 32 and then ascending: a lane of Int8Product sums its own, in an
  // order that other tokens' outliers do not change.
  kEachToken,
  kAllTokens,  // one such list for all tokens, for Int8Product per batch
  kAscending,  // one ascending list for all tokens, for Int8Outliers
};

// x, [tokens, cols] of `type`, normalised if norm_weight is not null, rounded to half and quantised
// to codes, absmax and values. With a threshold, `lists` says what else is filled: columns and
// starts for kEachToken and kAllTokens, columns and count for kAscending. One kernel, and one or
// two more for a list of all tokens.
cudaError_t Int8Quantise(CudaType type, const void* x, const float* norm_weight, float norm_eps,
                         int tokens, int cols, const CudaInt8Options& options, CudaInt8Lists lists,
                         const CudaInt8Activations& out, cudaStream_t stream);

// Of the product's tokens, how many Int8Product takes at once on this device: as many as shared
// memory has partial sums for. 0: it does not take the shape, or the device has no tensor cores for
// it (8.0 and up).
int Int8ProductTokens(const CudaProduct& product, const CudaDevice& device);
// out = epilogue(x W^T + bias) for quantised x; product.x and its norm are not looked at. Requires
// as many tokens as Int8ProductTokens says, or fewer.
cudaError_t Int8Product(const CudaInt8Weights& weights, const CudaInt8Activations& x,
                        const CudaInt8Options& options, const CudaProduct& product,
                        const CudaDevice& device, cudaStream_t stream);

// sums = x W^T for any shape, where no library takes it: x [tokens, cols], codes [rows, cols], rows
// of sums `stride` apart.
cudaError_t Int8Sums(const int8_t* codes, int rows, const int8_t* x, int tokens, int cols,
                     int32_t* sums, int stride, cudaStream_t stream);

// extra = the outliers' part of the product of many tokens with rows [first_row, first_row + rows):
// [tokens, rows] floats, rows `stride` apart. Leaves it as it is when there are no outliers.
cudaError_t Int8Outliers(const CudaInt8Weights& weights, const CudaInt8Activations& x,
                         const CudaInt8Options& options, int tokens, int first_row, int rows,
                         float* extra, int stride, int compute_capability, cudaStream_t stream);

// What follows a product of integers that a library made: sums, [tokens, row_count], hold the
// product with rows [first_row, first_row + row_count) of the weight, and extra the outliers' part;
// for a gate row_count is even and they are row_count / 2 of its rows from first_row on, then as
// many of the up-projection.
cudaError_t Int8Finish(const CudaInt8Weights& weights, const CudaInt8Activations& x,
                       const CudaInt8Options& options, const CudaProduct& product,
                       const int32_t* sums, const float* extra, int first_row, int row_count,
                       cudaStream_t stream);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_H_
