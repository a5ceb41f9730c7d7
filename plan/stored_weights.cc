#include "plan/stored_weights.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "model/checkpoint_index.h"
#include "model/config_fields.h"
#include "model/safetensors.h"

namespace gantry {
namespace {

// The packed 4-bit weight's description, as text. Of it the device holds the offset that double
// quantisation needs, 4 bytes.
constexpr absl::string_view kQuantState = ".quant_state.bitsandbytes__";
constexpr absl::string_view kNestedAbsmax = ".nested_absmax";
constexpr absl::string_view kWeightFormat = ".weight_format";
constexpr uint64_t kOffsetBytes = 4;

void AddTensor(const SafetensorsEntry& entry, StoredWeights* weights) {
  const bool is_state = absl::StrContains(entry.name, kQuantState);
  const bool is_format = absl::EndsWith(entry.name, kWeightFormat);
  weights->quantized = weights->quantized || is_state || is_format;
  if (is_state || is_format) return;
  weights->tensors.push_back({entry.name, entry.end - entry.begin});
  if (absl::EndsWith(entry.name, kNestedAbsmax)) {
    weights->tensors.push_back({absl::StrCat(entry.name, ".offset"), kOffsetBytes});
  }
}

}  // namespace

uint64_t StoredWeights::Bytes(absl::string_view prefix, uint64_t allocation) const {
  const std::string below = prefix.empty() ? "" : absl::StrCat(prefix, ".");
  auto tensor = std::lower_bound(
      tensors.begin(), tensors.end(), below,
      [](const Tensor& candidate, const std::string& name) { return candidate.name < name; });
  uint64_t bytes = 0;
  for (; tensor != tensors.end() && absl::StartsWith(tensor->name, below); ++tensor) {
    bytes += (tensor->bytes + allocation - 1) / allocation * allocation;
  }
  return bytes;
}

absl::StatusOr<StoredWeights> ReadStoredWeights(const std::string& folder) {
  GANTRY_ASSIGN_OR_RETURN(const CheckpointIndex index, ReadCheckpointIndex(folder));
  StoredWeights weights;
  for (const std::string& name : index.files) {
    GANTRY_ASSIGN_OR_RETURN(const File file, File::Open(JoinPath(folder, name)));
    GANTRY_ASSIGN_OR_RETURN(const SafetensorsHeader header, ReadSafetensorsHeader(file));
    for (const SafetensorsEntry& entry : header.entries) AddTensor(entry, &weights);
  }
  std::sort(weights.tensors.begin(), weights.tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(weights.tensors.begin(), weights.tensors.end(),
                         [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != weights.tensors.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, ": the tensor ", Excerpt(twice->name), " is in two files"));
  }
  return weights;
}

}  // namespace gantry
