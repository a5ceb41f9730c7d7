// The JSON that describes a 4-bit weight. What the parser accepts is written again and read the
// same, and its sizes can be multiplied.

#include <cstdint>
#include <cstdlib>

#include "model/quant_state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const gantry::Scheme type : {gantry::Scheme::kNf4, gantry::Scheme::kFp4}) {
    const auto state = gantry::ParseQuantState(text, type);
    if (!state.ok()) continue;
    int64_t elements = 0;
    if (__builtin_mul_overflow(state->rows, state->cols, &elements) || elements < 1) std::abort();
    if (!gantry::IsBlockSize(state->scheme.block_size)) std::abort();
    const auto again = gantry::ParseQuantState(gantry::FormatQuantState(*state), type);
    if (!again.ok() || again->scheme != state->scheme || again->dtype != state->dtype ||
        again->rows != state->rows || again->cols != state->cols ||
        again->nested_offset != state->nested_offset) {
      std::abort();
    }
  }
  return 0;
}
