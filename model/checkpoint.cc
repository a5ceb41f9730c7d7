#include "model/checkpoint.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "model/checkpoint_index.h"
#include "model/config_fields.h"
#include "model/safetensors.h"

namespace gantry {
namespace {

constexpr char kConfigName[] = "config.json";
constexpr uint64_t kMaxConfigBytes = 8 << 20;
// Elements that are widened at a time.
constexpr uint64_t kStagingElements = 128 << 10;

bool SameShape(const std::vector<int64_t>& expected, const std::vector<uint64_t>& found) {
  return std::equal(expected.begin(), expected.end(), found.begin(), found.end(),
                    [](int64_t a, uint64_t b) { return static_cast<uint64_t>(a) == b; });
}

absl::Status CheckTensor(const File& file, const TensorSpec& expected,
                         const SafetensorsEntry& entry) {
  if (!SameShape(expected.shape, entry.shape)) {
    return WrongTensor(
        file, expected.name,
        absl::StrCat("expected shape [", absl::StrJoin(expected.shape, ", "),
                     "] by config.json, found [", Excerpt(absl::StrJoin(entry.shape, ", ")), "]"));
  }
  if (!entry.dtype.has_value() || !IsFloat(*entry.dtype)) {
    return WrongTensor(file, expected.name,
                       absl::StrCat("expected F32, F16 or BF16, found ", entry.dtype_name));
  }
  return absl::OkStatus();
}

// config.json must say what the tensors show, since memory is planned by it.
absl::Status CheckQuantised(const File& file, absl::string_view name, Scheme scheme,
                            const std::optional<QuantizationOptions>& options) {
  const bool is_int8 = scheme == Scheme::kInt8;
  if (options.has_value() && (is_int8 ? options->load_in_8bit : options->load_in_4bit)) {
    return absl::OkStatus();
  }
  return WrongTensor(file, name,
                     absl::StrCat("stored as ", SchemeName(scheme), ", but config.json ",
                                  options.has_value() ? "says another" : "has no",
                                  " quantization_config; expected ",
                                  is_int8 ? "load_in_8bit" : "load_in_4bit", " there"));
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& folder) {
  const std::string path = JoinPath(folder, kConfigName);
  GANTRY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseJson(text, path));
  return ParseModelConfig(json, path);
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& folder) {
  auto checkpoint = absl::WrapUnique(new Checkpoint());
  checkpoint->folder_ = folder;
  const std::string config_path = JoinPath(folder, kConfigName);
  GANTRY_ASSIGN_OR_RETURN(const std::string config_text, ReadFile(config_path, kMaxConfigBytes));
  GANTRY_ASSIGN_OR_RETURN(const Json config_json, ParseJson(config_text, config_path));
  GANTRY_ASSIGN_OR_RETURN(checkpoint->config_, ParseModelConfig(config_json, config_path));
  checkpoint->fingerprint_.push_back({kConfigName, config_text.size(), Fnv1a(config_text)});
  checkpoint->modules_ = ListModules(checkpoint->config_);

  GANTRY_ASSIGN_OR_RETURN(const CheckpointIndex index, ReadCheckpointIndex(folder));
  const bool indexed = !index.tensors.empty();
  StoredTensors found;
  for (const std::string& name : index.files) {
    const int place = static_cast<int>(checkpoint->files_.size());
    absl::StatusOr<File> file = File::Open(JoinPath(folder, name));
    if (!file.ok()) {
      return indexed ? Annotate(file.status(), "a file that model.safetensors.index.json names")
                     : file.status();
    }
    GANTRY_ASSIGN_OR_RETURN(SafetensorsHeader header, ReadSafetensorsHeader(*file));
    checkpoint->fingerprint_.push_back({name, file->size(), header.hash});
    for (SafetensorsEntry& entry : header.entries) {
      if (indexed) {
        const auto listed = index.tensors.find(entry.name);
        if (listed == index.tensors.end() || listed->second != place) continue;
      }
      std::string tensor = entry.name;
      found[std::move(tensor)] = {place, header.data_begin + entry.begin, std::move(entry)};
    }
    checkpoint->files_.push_back(*std::move(file));
  }
  for (const auto& [tensor, place] : index.tensors) {
    if (found.find(tensor) == found.end()) {
      return WrongTensor(checkpoint->files_[place], Excerpt(tensor),
                         "model.safetensors.index.json places it here, but the file lacks it");
    }
  }

  for (const ModuleSpec& module : checkpoint->modules_) {
    for (const TensorSpec& tensor : ModuleTensors(module)) {
      const auto match = found.find(tensor.name);
      if (match == found.end()) {
        return absl::InvalidArgumentError(absl::StrCat(
            folder, ": tensor \"", tensor.name, "\" is in none of the safetensors files",
            module.kind == ModuleKind::kLmHead && !checkpoint->config_.tie_word_embeddings
                ? ", and config.json does not set tie_word_embeddings"
                : ""));
      }
      GANTRY_RETURN_IF_ERROR(checkpoint->Locate(tensor, found));
    }
  }
  return checkpoint;
}

absl::Status Checkpoint::Locate(const TensorSpec& tensor, const StoredTensors& stored) {
  const StoredTensor& place = stored.find(tensor.name)->second;
  const File& file = files_[place.file];
  Location location;
  if (tensor.shape.size() == 2) {
    GANTRY_ASSIGN_OR_RETURN(location.quantised, QuantisedTensor::Find(tensor, stored, files_));
  }
  location.file = place.file;
  if (location.quantised.has_value()) {
    GANTRY_RETURN_IF_ERROR(CheckQuantised(file, tensor.name, location.quantised->scheme().scheme,
                                          config_.quantization));
    location.elements = static_cast<uint64_t>(tensor.shape[0]) * tensor.shape[1];
    location.dtype = location.quantised->dtype();
  } else {
    GANTRY_RETURN_IF_ERROR(CheckTensor(file, tensor, place.entry));
    location.dtype = *place.entry.dtype;
    location.offset = place.offset;
    location.elements = place.bytes() / DTypeSize(location.dtype);
  }
  tensors_[tensor.name] = std::move(location);
  return absl::OkStatus();
}

TensorScheme Checkpoint::StoredScheme(absl::string_view name) const {
  const Location& location = tensors_.find(name)->second;
  if (location.quantised.has_value()) return location.quantised->scheme();
  TensorScheme scheme;
  scheme.scheme = SchemeOfDType(location.dtype);
  return scheme;
}

DType Checkpoint::TensorDType(absl::string_view name) const {
  return tensors_.find(name)->second.dtype;
}

uint64_t Checkpoint::TensorBytes(absl::string_view name) const {
  const Location& location = tensors_.find(name)->second;
  if (location.quantised.has_value()) return location.quantised->bytes();
  return location.elements * DTypeSize(location.dtype);
}

absl::StatusOr<const Checkpoint::Location*> Checkpoint::Find(absl::string_view name, int64_t first,
                                                             int64_t count) const {
  const auto match = tensors_.find(name);
  if (match == tensors_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder_, ": tensor \"", Excerpt(name), "\" is no part of the model"));
  }
  const Location& location = match->second;
  if (first < 0 || count < 0 || static_cast<uint64_t>(first) > location.elements ||
      static_cast<uint64_t>(count) > location.elements - first) {
    return WrongTensor(files_[location.file], name,
                       absl::StrCat("expected a range within ", location.elements,
                                    " elements, found ", count, " from ", first));
  }
  return &location;
}

absl::Status Checkpoint::ReadRaw(absl::string_view name, int64_t first, int64_t count,
                                 void* out) const {
  GANTRY_ASSIGN_OR_RETURN(const Location* location, Find(name, first, count));
  if (location->quantised.has_value()) {
    return WrongTensor(files_[location->file], name,
                       absl::StrCat("expected elements as they are, found ",
                                    SchemeName(location->quantised->scheme().scheme)));
  }
  const uint64_t size = DTypeSize(location->dtype);
  return Annotate(files_[location->file].ReadAt(location->offset + first * size, count * size, out),
                  absl::StrCat("tensor \"", name, "\""));
}

absl::Status Checkpoint::ReadTensor(absl::string_view name, int64_t first, int64_t count,
                                    float* out) const {
  GANTRY_ASSIGN_OR_RETURN(const Location* location, Find(name, first, count));
  if (location->quantised.has_value()) {
    return location->quantised->ReadElements(first, count, files_, out);
  }
  if (location->dtype == DType::kF32) return ReadRaw(name, first, count, out);
  std::vector<uint16_t> staging(std::min<uint64_t>(count, kStagingElements));
  while (count > 0) {
    const int64_t part = std::min<int64_t>(count, staging.size());
    GANTRY_RETURN_IF_ERROR(ReadRaw(name, first, part, staging.data()));
    ToFloat(location->dtype, staging.data(), part, out);
    first += part;
    out += part;
    count -= part;
  }
  return absl::OkStatus();
}

absl::StatusOr<PackedTensor> Checkpoint::ReadPacked(absl::string_view name) const {
  GANTRY_ASSIGN_OR_RETURN(const Location* location, Find(name, 0, 0));
  if (location->quantised.has_value()) return location->quantised->Read(files_);
  return WrongTensor(
      files_[location->file], name,
      absl::StrCat("expected a quantised tensor, found ", DTypeName(location->dtype)));
}

}  // namespace gantry
