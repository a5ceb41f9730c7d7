#ifndef GANTRY_WORKER_WEIGHT_SOURCE_H_
#define GANTRY_WORKER_WEIGHT_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "kernels/backend.h"
#include "model/checkpoint.h"
#include "model/config.h"

namespace gantry {

// Where weights come from.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // Elements [first, first + count) of the tensor, widened to float.
  virtual absl::Status Read(const TensorSpec& tensor, int64_t first, int64_t count,
                            float* out) const = 0;
  // The tensor, [out, in], as a part of a Matrix. The source outlives it.
  virtual MatrixPart Part(const TensorSpec& tensor) const = 0;
  // Bytes of one element of the tensor where it comes from, for the progress.
  virtual int ElementBytes(const TensorSpec& tensor) const = 0;
};

// The files of a model. `checkpoint` outlives the source.
std::unique_ptr<WeightSource> MakeCheckpointSource(const Checkpoint* checkpoint);

// The random weights of base/dummy_weights.h.
std::unique_ptr<WeightSource> MakeDummySource(uint64_t seed);

}  // namespace gantry

#endif  // GANTRY_WORKER_WEIGHT_SOURCE_H_
