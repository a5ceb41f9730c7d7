#ifndef GANTRY_KERNELS_PACKED_PART_H_
#define GANTRY_KERNELS_PACKED_PART_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/packed.h"
#include "kernels/backend.h"

namespace gantry {

// Calls body(i) for i in [0, count), on several threads if it likes.
using ForEachFunction =
    absl::FunctionRef<void(int64_t count, absl::FunctionRef<void(int64_t)> body)>;

// Part `index` of a source in int8, nf4 or fp4 as bitsandbytes stores it, quantised here unless it
// already is. Requires parts that CheckParts lets pass. Errors: those of reading and of Quantise,
// RESOURCE_EXHAUSTED, INVALID_ARGUMENT if a part that is quantised already is not what the format
// says.
absl::StatusOr<PackedTensor> ReadPackedPart(const MatrixSource& source, size_t index,
                                            ForEachFunction for_each);

}  // namespace gantry

#endif  // GANTRY_KERNELS_PACKED_PART_H_
