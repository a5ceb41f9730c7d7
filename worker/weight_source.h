#ifndef GANTRY_WORKER_WEIGHT_SOURCE_H_
#define GANTRY_WORKER_WEIGHT_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
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
  // Bytes of one element of the tensor where it comes from, for the progress.
  virtual int ElementBytes(const TensorSpec& tensor) const = 0;
};

// The files of a model. `checkpoint` outlives the source.
std::unique_ptr<WeightSource> MakeCheckpointSource(const Checkpoint* checkpoint);

// Random weights, the same wherever they are made: element i of a tensor depends on the seed, the
// tensor's name and i alone. Close to normal with deviation 0.02; a norm's are 1 plus that.
std::unique_ptr<WeightSource> MakeDummySource(uint64_t seed);

}  // namespace gantry

#endif  // GANTRY_WORKER_WEIGHT_SOURCE_H_
