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
  int rows = 0;
  int cols = 0;
};

// Tokens that Int8Product takes at most.
inline constexpr int kInt8MaxTokens = 32;
// Where the outlier columns of each lane begin, and where the last one's end.
inline constexpr int kInt8Starts = 33;

// How the outliers of many tokens are multiplied: found on the device, for the host does not wait
// for it.
enum class CudaInt8Way : int32_t {
  kNone,       // there are none
  kFew,        // in few columns, as in trained models: those columns alone, by tensor cores
  kEachToken,  // in many columns, but in few of each token: each token with its own
  kUnion,      // all tokens with the union, 32 columns at a time
};
// Columns of the union that are few.
inline constexpr int kInt8FewColumns = 256;
// Outliers of a token that are few; in few columns, no more than an eighth of them.
inline constexpr int kInt8TokenOutliers = 512;

// Quantised activations of some tokens, and buffers beside them.
struct CudaInt8Activations {
  int8_t* codes = nullptr;  // [tokens, cols]; 0 for an outlier
  float* absmax = nullptr;  // [tokens], of what is no outlier
  // [tokens, cols] before they are quantised, where a product may ask for them: of tokens with
  // outliers.
  half* values = nullptr;
  // Outlier columns, as CudaInt8Lists says; where they are by column % 32, `starts` has the first
  // of each 32.
  int32_t* columns = nullptr;  // [tokens or 1, cols]
  int32_t* starts = nullptr;   // [tokens or 1, kInt8Starts]
  // Of the union. `any`, `most` and `flags` are 0 before Int8Quantise and after it.
  int32_t* count = nullptr;   // [1]
  int32_t* any = nullptr;     // [1]
  int32_t* most = nullptr;    // [1]: of one token
  uint32_t* flags = nullptr;  // [ceil(cols / 32)], a column a bit
  uint32_t* mask = nullptr;   // the same, which stays
  // Of many tokens. Without token_outliers they are never multiplied as kEachToken says.
  CudaInt8Way* way = nullptr;       // [1]
  int32_t* token_counts = nullptr;  // [tokens]
  uint32_t* token_outliers =
      nullptr;  // [kInt8TokenOutliers, tokens]: as int8_outlier.cuh packs them
};

// The integers from `count` on that lists for so many tokens and columns take together.
constexpr int64_t Int8ListInts(int tokens, int64_t cols) {
  return 4 + int64_t{tokens} * kInt8Starts + tokens * cols + 2 * ((cols + 31) / 32);
}
// Lays them out in `ints`.
inline void PlaceInt8Lists(int32_t* ints, int tokens, int64_t cols, CudaInt8Activations* x) {
  x->count = ints;
  x->any = x->count + 1;
  x->most = x->any + 1;
  x->way = reinterpret_cast<CudaInt8Way*>(x->most + 1);
  x->starts = x->most + 2;
  x->columns = x->starts + tokens * kInt8Starts;
  x->flags = reinterpret_cast<uint32_t*>(x->columns + tokens * cols);
  x->mask = x->flags + (cols + 31) / 32;
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
  // For Int8Outliers: a mask for all tokens, their columns in ascending order if they are few, a
  // list for each token (without per_batch and where it has a place), and what to do with them.
  kManyTokens,
};

// x, [tokens, cols] of `type`, normalised if norm_weight is not null, rounded to half and quantised
// to codes, absmax and values. With a threshold, `lists` says what else is filled: columns and
// starts for kEachToken and kAllTokens, all the rest for kManyTokens. One kernel, and one or two
// more for a list of all tokens.
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

}  // namespace gantry

#endif  // GANTRY_KERNELS_CUDA_INT8_H_
