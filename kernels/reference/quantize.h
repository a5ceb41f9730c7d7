#ifndef GANTRY_KERNELS_REFERENCE_QUANTIZE_H_
#define GANTRY_KERNELS_REFERENCE_QUANTIZE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/dtype.h"
#include "base/packed.h"

namespace gantry {

// What bitsandbytes 0.50 computes on a GPU, one scalar at a time: 4-bit codes, statistics and SCB
// bit for bit. Its division is fast and not always right; with weights whose type has more bits
// than bfloat16, a 4-bit code may be the neighbour where the exact quotient is a tie, and an int8
// code may differ by one within 1e-4 of a half.

// Quantises weights[rows, cols].
//
// nf4, fp4: w * (1 / absmax) over blocks of the flattened weight, to the nearest code; a tie goes
// to the lower neighbour (fp4: the one nearer to zero). With double_quant the absmax of each block,
// less their mean, is quantised in its turn with the signed dynamic map. int8: w is rounded to
// fp16, then rint(w * 127 / absmax) with the absmax of its row.
//
// INVALID_ARGUMENT names the element that is not finite (int8: in fp16), or the sizes.
absl::StatusOr<PackedTensor> Quantise(const TensorScheme& scheme, int64_t rows, int64_t cols,
                                      absl::Span<const float> weights);

// Quantises the absmax of a 4-bit tensor in their turn, for double_quant.
void QuantiseAbsmax(PackedTensor* tensor);

// Fills out[count, cols] with rows [first_row, first_row + count): code * absmax in fp32 (int8: CB
// * SCB, times 1/127), then rounded to `dtype`, one of F32, F16 and BF16.
void Dequantise(const PackedTensor& tensor, int64_t first_row, int64_t count, DType dtype,
                float* out);

// What activations and weights in fp16 are multiplied by before they are rounded to int8: 127 /
// absmax, or 0 for an absmax of 0 or one that is not a number.
float Int8Scale(float absmax);

// Rounds to the nearest value of F32, F16 or BF16.
float RoundTo(DType dtype, float value);

// One scheme of activations: LLM.int8().
struct Int8Activations {
  std::vector<int8_t> codes;                   // [rows, cols], 0 in the outliers' place
  std::vector<float> absmax;                   // [rows]
  std::vector<std::vector<int32_t>> outliers;  // by row: columns multiplied in 16 bits, ascending
};

// x[rows, cols] is rounded to fp16. An element of at least `threshold` is an outlier, as is one
// that is not a number; with `outliers_per_batch` its column is for every row. absmax is taken over
// the elements below the threshold, whatever their column, and the others become rint(x * 127 /
// absmax); absmax and codes of a row without any are 0. A threshold of 0 means no outliers: then
// the absmax of a row that is not finite is not a number, and its codes are 0.
Int8Activations QuantiseActivations(absl::Span<const float> x, int64_t rows, int64_t cols,
                                    float threshold, bool outliers_per_batch);

}  // namespace gantry

#endif  // GANTRY_KERNELS_REFERENCE_QUANTIZE_H_
