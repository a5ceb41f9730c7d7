#ifndef GANTRY_MODEL_GRAMMAR_SCHEMA_MERGE_H_
#define GANTRY_MODEL_GRAMMAR_SCHEMA_MERGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace gantry {

// A schema that allows what both objects allow: the keywords of both, `required` and `properties`
// joined. UNIMPLEMENTED, with `path`, where both have another keyword with different values, or
// where one's additionalProperties would count for properties of the other.
absl::StatusOr<Json> MergeSchemas(const Json& one, const Json& other, const std::string& path);

// The place in `root` that a $ref names, "#" or "#/$defs/name". NOT_FOUND, UNIMPLEMENTED (one into
// another document, or to an anchor).
absl::StatusOr<const Json*> ResolveReference(const Json& root, absl::string_view reference);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_SCHEMA_MERGE_H_
