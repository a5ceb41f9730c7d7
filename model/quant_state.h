#ifndef GANTRY_MODEL_QUANT_STATE_H_
#define GANTRY_MODEL_QUANT_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "base/packed.h"

namespace gantry {

// What the tensor "P.quant_state.bitsandbytes__nf4" says of a 4-bit weight P: JSON in UTF-8, see
// bitsandbytes/functional.py, QuantState.as_dict.
struct QuantState {
  TensorScheme scheme;        // nf4 or fp4
  DType dtype = DType::kF32;  // that the weight had, and that it is rounded to when dequantised
  int64_t rows = 0;
  int64_t cols = 0;
  float nested_offset = 0;  // with double_quant
};

// A state takes some 170 bytes.
inline constexpr uint64_t kMaxQuantStateBytes = 4096;

// INVALID_ARGUMENT "FIELD: expected ..., found ..." for a field that is missing, unknown or wrong,
// and for a quant_type other than `type`, which is the suffix of the tensor's name.
absl::StatusOr<QuantState> ParseQuantState(absl::string_view text, Scheme type);
// The same bytes as bitsandbytes'.
std::string FormatQuantState(const QuantState& state);

}  // namespace gantry

#endif  // GANTRY_MODEL_QUANT_STATE_H_
