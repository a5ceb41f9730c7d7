#include "model/checkpoint_index.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr size_t kMaxFiles = 4096;
constexpr size_t kMaxNameLength = 255;

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength && name != "." && name != ".." &&
         !absl::StrContains(name, '/') && !absl::StrContains(name, '\0');
}

absl::Status NoWeights(const std::string& folder) {
  std::string text = absl::StrCat(folder, " has neither ", kSingleFile, " nor ", kIndexFile);
  for (const char* other : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (FileExists(JoinPath(folder, other))) {
      absl::StrAppend(&text, "; it has ", other,
                      ", which is not read: save the model again as safetensors");
      break;
    }
  }
  return absl::NotFoundError(text);
}

}  // namespace

absl::StatusOr<CheckpointIndex> ReadCheckpointIndex(const std::string& folder) {
  CheckpointIndex index;
  if (FileExists(JoinPath(folder, kSingleFile))) {
    index.files = {kSingleFile};
    return index;
  }
  const std::string path = JoinPath(folder, kIndexFile);
  if (!FileExists(path)) return NoWeights(folder);
  GANTRY_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(path));
  const Json* weight_map = FindMember(json, "weight_map");
  if (weight_map == nullptr || !weight_map->is_object() || weight_map->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": weight_map: expected an object of tensor and file names, found ",
                     weight_map == nullptr ? "nothing" : ExcerptJson(*weight_map)));
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : weight_map->items()) {
    if (!file.is_string() || !IsPlainName(file.get_ref<const std::string&>())) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": weight_map: tensor \"", Excerpt(tensor),
          "\": expected the name of a file in the same folder, found ", ExcerptJson(file)));
    }
    names.insert(file.get_ref<const std::string&>());
    if (names.size() > kMaxFiles) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": weight_map: expected at most ", kMaxFiles, " files"));
    }
  }
  index.files.assign(names.begin(), names.end());
  std::map<absl::string_view, int> places;
  for (size_t i = 0; i < index.files.size(); ++i) places[index.files[i]] = static_cast<int>(i);
  for (const auto& [tensor, file] : weight_map->items()) {
    index.tensors[tensor] = places[file.get_ref<const std::string&>()];
  }
  return index;
}

}  // namespace gantry
