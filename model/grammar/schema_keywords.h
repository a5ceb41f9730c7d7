#ifndef GANTRY_MODEL_GRAMMAR_SCHEMA_KEYWORDS_H_
#define GANTRY_MODEL_GRAMMAR_SCHEMA_KEYWORDS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace gantry {

// The types of JSON values; `integer` is a kind of number.
enum SchemaType : unsigned {
  kNullType = 1,
  kBooleanType = 2,
  kIntegerType = 4,
  kNumberType = 8,
  kStringType = 16,
  kArrayType = 32,
  kObjectType = 64,
  kAllTypes = 127,
};

// Whether a keyword narrows what is allowed, unlike an annotation.
bool IsConstraint(absl::string_view keyword);

// UNIMPLEMENTED for a keyword of `schema` that narrows what is allowed and is not supported.
absl::Status CheckKeywords(const Json& schema, const std::string& path);

// The SchemaTypes of `type` and `nullable`, or those that the other keywords are about.
absl::StatusOr<unsigned> TypesOf(const Json& schema, const std::string& path);

// The type of a value; an integral number is an integer.
SchemaType TypeOf(const Json& value);

// INVALID_ARGUMENT "PATH/KEYWORD: expected ..., found VALUE".
absl::Status SchemaError(const std::string& path, absl::string_view keyword,
                         absl::string_view expected, const Json& found);

// A keyword that counts something; `fallback` where it is absent.
absl::StatusOr<int64_t> CountKeyword(const Json& schema, absl::string_view keyword,
                                     const std::string& path, int64_t fallback);

// A member, null only where it is absent: JSON null is a value in a schema.
const Json* SchemaMember(const Json& schema, absl::string_view keyword);

// `part` as one step of a JSON pointer.
std::string PointerStep(absl::string_view part);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_SCHEMA_KEYWORDS_H_
