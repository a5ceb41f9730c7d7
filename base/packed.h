#ifndef GANTRY_BASE_PACKED_H_
#define GANTRY_BASE_PACKED_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/dtype.h"

namespace gantry {

// The layouts of quantised weights, bit for bit those of bitsandbytes 0.50; what the numbers mean
// is in kernels/reference/quantize.h.

// How one weight is stored.
struct TensorScheme {
  Scheme scheme = Scheme::kFp32;
  bool double_quant = false;  // 4-bit: absmax is quantised itself
  int64_t block_size = 64;    // 4-bit: weights an absmax stands for
  bool operator==(const TensorScheme&) const = default;
};

inline bool IsFourBit(Scheme scheme) { return scheme == Scheme::kNf4 || scheme == Scheme::kFp4; }
inline bool IsQuantised(Scheme scheme) { return IsFourBit(scheme) || scheme == Scheme::kInt8; }

// Absmax values that a nested absmax stands for.
inline constexpr int64_t kNestedBlockSize = 256;
// 32, 64, 128, ... 4096.
bool IsBlockSize(int64_t block_size);

// What the 16 codes of nf4 or fp4 stand for, in units of the block's absmax. Requires a 4-bit
// scheme.
absl::Span<const float> CodeBook(Scheme scheme);
// What the 256 codes of a quantised absmax stand for: bitsandbytes' signed dynamic map, ascending.
const std::array<float, 256>& DynamicMap();

// One quantised weight [rows, cols].
struct PackedTensor {
  TensorScheme scheme;  // int8, nf4 or fp4
  int64_t rows = 0;
  int64_t cols = 0;
  // 4-bit: two weights a byte in row-major order, the first in the high nibble, an odd one out with
  // a low nibble of 0; blocks run over the whole tensor and may straddle rows. int8: [rows, cols].
  std::vector<uint8_t> codes;
  // 4-bit: [blocks], empty with double_quant. int8: SCB, the absmax of each row, [rows].
  std::vector<float> absmax;
  // With double_quant: absmax[i] = nested_map[absmax_codes[i]] * nested_absmax[i / 256] + offset.
  std::vector<uint8_t> absmax_codes;  // [blocks]
  std::vector<float> nested_absmax;   // [ceil(blocks / 256)]
  std::vector<float> nested_map;      // [256]
  float nested_offset = 0;

  int64_t blocks() const;
  // The absmax of a block in fp32, nested statistics undone: two roundings, product then sum.
  float BlockAbsmax(int64_t block) const;
  // That of every block.
  std::vector<float> Absmax() const;
};

// Product, then sum: no compiler may contract what torch computes in two steps.
float RestoreAbsmax(float nested_value, float nested_absmax, float nested_offset);

// Elements [first, first + count) of a tensor with `cols` columns, in fp32: out = code * absmax,
// and for int8 code * SCB / 127 as bitsandbytes computes it. `codes` begins with the byte and
// `absmax` with the block (int8: the row) that hold element `first`.
void DequantiseCodes(const TensorScheme& scheme, int64_t cols, int64_t first, int64_t count,
                     const uint8_t* codes, const float* absmax, float* out);

// INVALID_ARGUMENT naming the field when a size does not fit the others or a number is not finite.
absl::Status CheckPackedTensor(const PackedTensor& tensor);

}  // namespace gantry

#endif  // GANTRY_BASE_PACKED_H_
