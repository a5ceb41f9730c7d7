#include <limits>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr double kLargest = 1e6;

absl::Status ReadOptional(const Json& json, absl::string_view key, double min, double max,
                          std::optional<double>* value) {
  if (FindMember(json, key) == nullptr) return absl::OkStatus();
  GANTRY_ASSIGN_OR_RETURN(*value, GetDouble(json, key, min, max));
  return absl::OkStatus();
}

absl::StatusOr<GenerationConfig> ParseFields(const Json& json, const ModelConfig& config) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a JSON object, found ", ExcerptJson(json)));
  }
  GenerationConfig generation;
  GANTRY_ASSIGN_OR_RETURN(generation.do_sample, GetBoolOr(json, "do_sample", false));
  GANTRY_RETURN_IF_ERROR(ReadOptional(json, "temperature", 0, kLargest, &generation.temperature));
  GANTRY_RETURN_IF_ERROR(ReadOptional(json, "top_p", 0, 1, &generation.top_p));
  GANTRY_RETURN_IF_ERROR(ReadOptional(json, "min_p", 0, 1, &generation.min_p));
  // A penalty of zero would divide by zero.
  GANTRY_RETURN_IF_ERROR(
      ReadOptional(json, "repetition_penalty", 1e-3, kLargest, &generation.repetition_penalty));
  if (FindMember(json, "top_k") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const int64_t top_k,
                            GetInt(json, "top_k", 0, std::numeric_limits<int32_t>::max()));
    generation.top_k = static_cast<int32_t>(top_k);
  }
  GANTRY_ASSIGN_OR_RETURN(generation.eos_token_ids, GetTokenIds(json, "eos_token_id"));
  if (generation.eos_token_ids.empty()) generation.eos_token_ids = config.eos_token_ids;
  return generation;
}

}  // namespace

absl::StatusOr<GenerationConfig> ReadGenerationConfig(const std::string& folder,
                                                      const ModelConfig& config) {
  const std::string path = JoinPath(folder, "generation_config.json");
  if (!FileExists(path)) {
    GenerationConfig generation;
    generation.eos_token_ids = config.eos_token_ids;
    return generation;
  }
  JsonLimits limits;
  limits.max_bytes = 8 << 20;
  GANTRY_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(path, limits));
  absl::StatusOr<GenerationConfig> generation = ParseFields(json, config);
  if (!generation.ok()) return Annotate(generation.status(), path);
  return generation;
}

}  // namespace gantry
