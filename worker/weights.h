#ifndef GANTRY_WORKER_WEIGHTS_H_
#define GANTRY_WORKER_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/backend.h"
#include "model/modules.h"
#include "worker/module_format.h"
#include "worker/weight_source.h"

namespace gantry {

struct LinearWeights {
  std::shared_ptr<Matrix> matrix;  // tied lm_head and embedding share theirs
  std::unique_ptr<Buffer> bias;    // [rows] floats or null
};

// One module on a device, immutable. What a module of its kind does not have is null.
struct ModuleWeights {
  ModuleSpec spec;
  ModuleFormat format;
  std::unique_ptr<Buffer> input_norm;           // [hidden]
  std::unique_ptr<Buffer> post_attention_norm;  // [hidden]
  LinearWeights qkv;
  LinearWeights o;
  LinearWeights gate_up;
  LinearWeights down;
  LinearWeights matrix;          // of the embedding and of lm_head
  std::unique_ptr<Buffer> norm;  // [hidden]
};

using WeightMap = std::map<std::string, std::shared_ptr<const ModuleWeights>>;  // by module

// Called with bytes of the source read since the last call. An error ends the loading with it.
using BytesRead = std::function<absl::Status(uint64_t bytes)>;

// Reads one module and packs it. `loaded` is searched for a matrix of the same tensor and format.
absl::StatusOr<std::shared_ptr<const ModuleWeights>> LoadModule(
    const ModuleSpec& spec, const ModuleFormat& format, const WeightSource& source,
    const WeightMap& loaded, Backend* backend, const BytesRead& bytes_read);

// Bytes of the source that LoadModule reads when nothing is shared.
uint64_t SourceBytes(const ModuleSpec& spec, const WeightSource& source);

// Bytes on the device that LoadModule takes, and bytes that were taken; a shared matrix counts
// once.
uint64_t NeededBytes(const ModuleSpec& spec, const ModuleFormat& format, const Backend& backend);
uint64_t MeasuredBytes(const WeightMap& weights);

}  // namespace gantry

#endif  // GANTRY_WORKER_WEIGHTS_H_
