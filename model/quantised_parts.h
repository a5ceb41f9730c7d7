#ifndef GANTRY_MODEL_QUANTISED_PARTS_H_
#define GANTRY_MODEL_QUANTISED_PARTS_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/packed.h"
#include "model/quant_state.h"
#include "model/safetensors_writer.h"

namespace gantry {

// The counterpart of model/quantised_tensor.h, where the layout is explained: what is written of a
// weight that has been quantised.

// The tensors that hold weight `name`, in the order of transformers' state dict. Of an int8 weight
// `state` says scheme and shape alone. `storage` is the element type that 4-bit codes are given.
// INVALID_ARGUMENT if the codes do not fill whole elements of it.
absl::StatusOr<std::vector<TensorToWrite>> QuantisedParts(const std::string& name,
                                                          const QuantState& state, DType storage);

// Calls write(part, data) for each of them.
absl::Status WriteQuantisedParts(
    const std::string& name, const PackedTensor& tensor, DType dtype,
    absl::FunctionRef<absl::Status(const std::string& part, absl::Span<const char> data)> write);

}  // namespace gantry

#endif  // GANTRY_MODEL_QUANTISED_PARTS_H_
