#ifndef GANTRY_MODEL_GRAMMAR_JSON_SCHEMA_H_
#define GANTRY_MODEL_GRAMMAR_JSON_SCHEMA_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/grammar/grammar.h"

namespace gantry {

// The texts that a JSON schema allows, of draft 2020-12:
//
//   type (one or a list), enum, const, anyOf, oneOf, allOf, $ref to a place in the schema
//   properties, required, additionalProperties      items, prefixItems, minItems, maxItems
//   minLength, maxLength, pattern (see regex.h), format (date-time, date, time, uuid, email)
//   minimum, maximum, exclusiveMinimum, exclusiveMaximum      nullable (of OpenAPI)
//
// Every text of the grammar is JSON that satisfies the schema, but not every document is one of its
// texts:
// - Members come in the order of `properties`, then other required ones, then additional ones;
//   optional ones may be left out. White space and numbers are as json_syntax.h says.
// - What is not declared is not written: additional properties come only where
//   additionalProperties says so or there are no `properties`, and items behind prefixItems only
//   where `items` does or minItems needs them.
// - oneOf counts as anyOf: more than one alternative may match.
// - A schema without a type allows what its other keywords are about; one of none, any value.
// - Numbers with bounds are written without an exponent.
//
// INVALID_ARGUMENT and UNIMPLEMENTED begin with the place in the schema ("#/properties/age") and
// name the keyword: one that is malformed, or would change what is allowed and is not supported.
// Other unknown keywords are ignored, as the specification has it. RESOURCE_EXHAUSTED for a schema
// beyond the limits. `usable`: see Grammar.
absl::StatusOr<Grammar> CompileJsonSchema(absl::string_view schema, const ByteSet& usable);

// Any JSON object.
absl::StatusOr<Grammar> CompileJsonObject(const ByteSet& usable);

// The texts that an expression matches as a whole; see regex.h.
absl::StatusOr<Grammar> CompileRegex(absl::string_view regex, const ByteSet& usable);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_JSON_SCHEMA_H_
