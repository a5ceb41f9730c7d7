#include "model/grammar/schema_merge.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "model/grammar/schema_keywords.h"

namespace gantry {
namespace {

absl::Status Conflict(const std::string& path, absl::string_view keyword) {
  return absl::UnimplementedError(absl::StrCat(
      path,
      ": schemas that must hold together (allOf, or keywords beside $ref, anyOf or oneOf) "
      "differ in ",
      keyword, ", and that is not supported; write them as one"));
}

absl::Status MergeRequired(const Json& added, Json* into) {
  for (const Json& name : added) {
    if (std::find(into->begin(), into->end(), name) == into->end()) into->push_back(name);
  }
  return absl::OkStatus();
}

absl::Status MergeProperties(const Json& added, const std::string& path, Json* into) {
  for (const auto& [name, schema] : added.get_ref<const Json::object_t&>()) {
    const Json* there = SchemaMember(*into, name);
    if (there == nullptr) {
      (*into)[name] = schema;
    } else if (*there != schema) {
      return Conflict(path, absl::StrCat("the property ", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Json> MergeSchemas(const Json& one, const Json& other, const std::string& path) {
  for (const auto& [closed, open] : {std::pair(&one, &other), std::pair(&other, &one)}) {
    const Json* additional = SchemaMember(*closed, "additionalProperties");
    if (additional == nullptr || *additional == Json(true)) continue;
    const Json* properties = SchemaMember(*open, "properties");
    const Json* own = SchemaMember(*closed, "properties");
    if (properties == nullptr || (own != nullptr && *own == *properties)) continue;
    return Conflict(path, "properties, and one has additionalProperties");
  }
  Json merged = one;
  for (const auto& [keyword, value] : other.get_ref<const Json::object_t&>()) {
    if (!IsConstraint(keyword)) continue;
    const Json* there = SchemaMember(merged, keyword);
    if (there == nullptr) {
      merged[keyword] = value;
    } else if (*there == value) {
      continue;
    } else if (keyword == "required" && there->is_array() && value.is_array()) {
      GANTRY_RETURN_IF_ERROR(MergeRequired(value, &merged[keyword]));
    } else if (keyword == "properties" && there->is_object() && value.is_object()) {
      GANTRY_RETURN_IF_ERROR(MergeProperties(value, path, &merged[keyword]));
    } else {
      return Conflict(path, keyword);
    }
  }
  return merged;
}

absl::StatusOr<const Json*> ResolveReference(const Json& root, absl::string_view reference) {
  if (reference != "#" && !absl::StartsWith(reference, "#/")) {
    return absl::UnimplementedError(
        absl::StrCat("only references within the schema are supported, such as \"#/$defs/name\"; "
                     "found \"",
                     reference.substr(0, 80), "\""));
  }
  const Json* at = &root;
  std::vector<absl::string_view> steps = absl::StrSplit(reference, '/');
  for (size_t i = 1; i < steps.size() && at != nullptr; ++i) {
    const std::string step = absl::StrReplaceAll(steps[i], {{"~1", "/"}, {"~0", "~"}});
    size_t index = 0;
    if (at->is_object()) {
      at = SchemaMember(*at, step);
    } else if (at->is_array() && absl::SimpleAtoi(step, &index) && index < at->size()) {
      at = &(*at)[index];
    } else {
      at = nullptr;
    }
  }
  if (at == nullptr) {
    return absl::NotFoundError(absl::StrCat("the schema has no \"", reference.substr(0, 80), "\""));
  }
  return at;
}

}  // namespace gantry
