#ifndef GANTRY_MODEL_CHECKPOINT_INDEX_H_
#define GANTRY_MODEL_CHECKPOINT_INDEX_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// Which files of a model folder hold its weights.
struct CheckpointIndex {
  std::vector<std::string> files;  // names in the folder, sorted
  // The place in `files` of each tensor that model.safetensors.index.json lists; empty when there
  // is one file and no index.
  std::map<std::string, int, std::less<>> tensors;
};

// model.safetensors, or else model.safetensors.index.json. The names in the index are names and
// not paths: INVALID_ARGUMENT for one that could lead out of the folder. NOT_FOUND when the folder
// has neither.
absl::StatusOr<CheckpointIndex> ReadCheckpointIndex(const std::string& folder);

}  // namespace gantry

#endif  // GANTRY_MODEL_CHECKPOINT_INDEX_H_
