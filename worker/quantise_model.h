#ifndef GANTRY_WORKER_QUANTISE_MODEL_H_
#define GANTRY_WORKER_QUANTISE_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/dtype.h"
#include "base/json.h"
#include "model/checkpoint.h"
#include "model/quantization_config.h"
#include "plan/model_tree.h"

namespace gantry {

struct QuantiseOptions {
  std::string model;   // a folder, or a name in the local hub cache
  std::string output;  // a folder that does not exist or is empty
  QuantizationOptions quantization;
  // Type of what is not quantised, and that weights are rounded to before they are. Unset:
  // config.json's, or else that of the embedding.
  std::optional<DType> dtype;
  // Of one safetensors file, unless a tensor is larger.
  uint64_t max_shard_bytes = 5'000'000'000;
  // 0: one a core, and fewer where so many tensors at once would take much memory.
  int threads = 0;
};

// A model that is to be quantised; holds no weights.
struct ModelToQuantise {
  std::unique_ptr<Checkpoint> checkpoint;
  Json config;
  ModelTree tree;
};
// NOT_FOUND if there is no such model; INVALID_ARGUMENT and others, as Checkpoint::Open, for one
// that cannot be read; FAILED_PRECONDITION if it is quantised already.
absl::StatusOr<ModelToQuantise> OpenModelToQuantise(const std::string& name);

struct QuantisedModel {
  uint64_t bytes = 0;         // of all tensors
  int files = 0;              // that hold them
  int weights = 0;            // that were quantised
  DType dtype = DType::kF32;  // of the others
};

// Writes the model as transformers' save_pretrained writes one that bitsandbytes has quantised:
// names, types, shapes and bytes. The folder appears when it is complete. `on_progress` is called
// with elements done, from any thread, one at a time. ALREADY_EXISTS if the output is there and not
// empty; INVALID_ARGUMENT, naming the tensor, for weights that cannot be quantised.
absl::StatusOr<QuantisedModel> QuantiseModel(
    const ModelToQuantise& model, const QuantiseOptions& options,
    const std::function<void(uint64_t done, uint64_t total)>& on_progress);

}  // namespace gantry

#endif  // GANTRY_WORKER_QUANTISE_MODEL_H_
