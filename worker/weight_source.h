#ifndef GANTRY_WORKER_WEIGHT_SOURCE_H_
#define GANTRY_WORKER_WEIGHT_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/config.h"

namespace gantry {

// Where weights come from.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // Elements [first, first + count) of the tensor, dequantised and widened to float.
  virtual absl::Status Read(const TensorSpec& tensor, int64_t first, int64_t count,
                            float* out) const = 0;
  // The tensor, [out, in], as a part of a Matrix that is to be stored in `scheme`: in its own
  // element type, or as it is if it is quantised so. INVALID_ARGUMENT, naming the tensor, if it is
  // quantised in another way; to an unquantised scheme it is dequantised. The source outlives it.
  virtual absl::StatusOr<MatrixPart> Part(const TensorSpec& tensor,
                                          const TensorScheme& scheme) const = 0;
  // Bytes of the tensor where it comes from, for the progress.
  virtual uint64_t TensorBytes(const TensorSpec& tensor) const = 0;
};

// The files of a model. `checkpoint` outlives the source.
std::unique_ptr<WeightSource> MakeCheckpointSource(const Checkpoint* checkpoint);

// The random weights of base/dummy_weights.h.
std::unique_ptr<WeightSource> MakeDummySource(uint64_t seed);

}  // namespace gantry

#endif  // GANTRY_WORKER_WEIGHT_SOURCE_H_
