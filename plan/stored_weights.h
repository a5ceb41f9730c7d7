#ifndef GANTRY_PLAN_STORED_WEIGHTS_H_
#define GANTRY_PLAN_STORED_WEIGHTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// What the safetensors headers of a model folder say of its weights, without reading any. Also of
// checkpoints that bitsandbytes has already quantised, whose bytes are what a GPU will hold.
struct StoredWeights {
  struct Tensor {
    std::string name;
    uint64_t bytes = 0;  // on a device
  };
  std::vector<Tensor> tensors;  // by name
  bool quantized = false;       // by bitsandbytes

  // Of the tensors of the module `prefix` and below ("": all), each rounded up to `allocation`.
  uint64_t Bytes(absl::string_view prefix, uint64_t allocation) const;
};

// NOT_FOUND, DATA_LOSS or INVALID_ARGUMENT naming the file, as model/safetensors.h and
// model/checkpoint_index.h say; also for a tensor that two files have.
absl::StatusOr<StoredWeights> ReadStoredWeights(const std::string& folder);

}  // namespace gantry

#endif  // GANTRY_PLAN_STORED_WEIGHTS_H_
