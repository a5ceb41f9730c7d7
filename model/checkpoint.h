#ifndef GANTRY_MODEL_CHECKPOINT_H_
#define GANTRY_MODEL_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "base/file.h"
#include "base/packed.h"
#include "model/config.h"
#include "model/modules.h"
#include "model/quantised_tensor.h"

namespace gantry {

// What tells one version of a file from another without reading the weights.
struct FileFingerprint {
  std::string name;     // relative to the model's folder
  uint64_t size = 0;    // bytes
  uint64_t header = 0;  // FNV-1a of the safetensors header, or of all of config.json
  bool operator==(const FileFingerprint&) const = default;
};

// A model folder with its safetensors headers read and checked: every tensor that the architecture
// needs is there, of the right shape, of F32, F16 or BF16 or, as config.json says, quantised by
// bitsandbytes. Holds no weights. Thread-safe.
class Checkpoint {
 public:
  // `folder` is a model folder (see model/hub.h for names). Errors name the file and the tensor.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }
  const std::vector<ModuleSpec>& modules() const { return modules_; }
  const std::vector<FileFingerprint>& fingerprint() const { return fingerprint_; }

  // The rest requires tensors of ModuleTensors.

  // How the tensor is stored: quantised, or as it is in fp32, fp16 or bf16.
  TensorScheme StoredScheme(absl::string_view name) const;
  // Its element type; of a quantised tensor that of the dequantised values.
  DType TensorDType(absl::string_view name) const;
  // Bytes that it takes in the files, with what belongs to it when it is quantised.
  uint64_t TensorBytes(absl::string_view name) const;
  // Reads elements [first, first + count) of the tensor, dequantised and widened to float.
  absl::Status ReadTensor(absl::string_view name, int64_t first, int64_t count, float* out) const;
  // The same of a tensor that is not quantised, in its own type.
  absl::Status ReadRaw(absl::string_view name, int64_t first, int64_t count, void* out) const;
  // All of a tensor that is quantised, as it is stored.
  absl::StatusOr<PackedTensor> ReadPacked(absl::string_view name) const;

 private:
  struct Location {
    int file = 0;
    uint64_t offset = 0;  // absolute, in the file
    uint64_t elements = 0;
    DType dtype = DType::kF32;
    std::optional<QuantisedTensor> quantised;  // then the offset is not used
  };
  Checkpoint() = default;
  absl::Status Locate(const TensorSpec& tensor, const StoredTensors& stored);
  // INVALID_ARGUMENT for a tensor or a range that is not there.
  absl::StatusOr<const Location*> Find(absl::string_view name, int64_t first, int64_t count) const;

  std::string folder_;
  ModelConfig config_;
  std::vector<ModuleSpec> modules_;
  std::vector<File> files_;
  std::vector<FileFingerprint> fingerprint_;
  std::map<std::string, Location, std::less<>> tensors_;
};

// config.json alone, for --load_format=dummy and for planning without weights.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& folder);

// generation_config.json: what generation does unless a request says otherwise.
struct GenerationConfig {
  bool do_sample = false;
  std::optional<double> temperature;
  std::optional<int32_t> top_k;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::vector<int32_t> eos_token_ids;  // falls back to config.json's
};
// Defaults (and config's eos) when the file is absent; INVALID_ARGUMENT when it is malformed.
absl::StatusOr<GenerationConfig> ReadGenerationConfig(const std::string& folder,
                                                      const ModelConfig& config);

}  // namespace gantry

#endif  // GANTRY_MODEL_CHECKPOINT_H_
