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

absl::Status WrongTensor(const File& file, absl::string_view name, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": tensor \"", name, "\": ", text));
}

bool SameShape(const std::vector<int64_t>& expected, const std::vector<uint64_t>& found) {
  return std::equal(expected.begin(), expected.end(), found.begin(), found.end(),
                    [](int64_t a, uint64_t b) { return static_cast<uint64_t>(a) == b; });
}

// One entry of a file's header and the place of the file.
struct Found {
  int file = 0;
  uint64_t data_begin = 0;
  SafetensorsEntry entry;
};
using FoundTensors = std::map<std::string, Found, std::less<>>;

absl::Status CheckTensor(const File& file, const TensorSpec& expected,
                         const SafetensorsEntry& entry) {
  if (!SameShape(expected.shape, entry.shape)) {
    return WrongTensor(
        file, expected.name,
        absl::StrCat("expected shape [", absl::StrJoin(expected.shape, ", "),
                     "] by config.json, found [", Excerpt(absl::StrJoin(entry.shape, ", ")), "]"));
  }
  if (entry.dtype != DType::kF32 && entry.dtype != DType::kF16 && entry.dtype != DType::kBF16) {
    return WrongTensor(file, expected.name,
                       absl::StrCat("expected F32, F16 or BF16, found ", entry.dtype_name));
  }
  return absl::OkStatus();
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
  FoundTensors found;
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
      found[std::move(tensor)] = Found{place, header.data_begin, std::move(entry)};
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
      const Found& place = match->second;
      GANTRY_RETURN_IF_ERROR(CheckTensor(checkpoint->files_[place.file], tensor, place.entry));
      const DType dtype = *place.entry.dtype;
      Location location;
      location.file = place.file;
      location.offset = place.data_begin + place.entry.begin;
      location.elements = (place.entry.end - place.entry.begin) / DTypeSize(dtype);
      location.dtype = dtype;
      checkpoint->tensors_[tensor.name] = location;
    }
  }
  return checkpoint;
}

DType Checkpoint::TensorDType(absl::string_view name) const {
  return tensors_.find(name)->second.dtype;
}

absl::Status Checkpoint::ReadTensor(absl::string_view name, int64_t first, int64_t count,
                                    float* out) const {
  const auto match = tensors_.find(name);
  if (match == tensors_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder_, ": tensor \"", Excerpt(name), "\" is no part of the model"));
  }
  const Location& location = match->second;
  const File& file = files_[location.file];
  if (first < 0 || count < 0 || static_cast<uint64_t>(first) > location.elements ||
      static_cast<uint64_t>(count) > location.elements - first) {
    return WrongTensor(file, name,
                       absl::StrCat("expected a range within ", location.elements,
                                    " elements, found ", count, " from ", first));
  }
  const uint64_t size = DTypeSize(location.dtype);
  uint64_t offset = location.offset + first * size;
  if (location.dtype == DType::kF32) {
    return Annotate(file.ReadAt(offset, count * size, out), absl::StrCat("tensor \"", name, "\""));
  }
  std::vector<uint16_t> staging(std::min<uint64_t>(count, kStagingElements));
  for (uint64_t left = count; left > 0;) {
    const uint64_t part = std::min<uint64_t>(left, staging.size());
    GANTRY_RETURN_IF_ERROR(Annotate(file.ReadAt(offset, part * size, staging.data()),
                                    absl::StrCat("tensor \"", name, "\"")));
    ToFloat(location.dtype, staging.data(), part, out);
    offset += part * size;
    out += part;
    left -= part;
  }
  return absl::OkStatus();
}

uint64_t Checkpoint::ModuleFileBytes(const ModuleSpec& module) const {
  uint64_t bytes = 0;
  for (const TensorSpec& tensor : ModuleTensors(module)) {
    const Location& location = tensors_.find(tensor.name)->second;
    bytes += location.elements * DTypeSize(location.dtype);
  }
  return bytes;
}

}  // namespace gantry
