#ifndef GANTRY_COORDINATOR_HTTP_CONSTRAINT_FIELDS_H_
#define GANTRY_COORDINATOR_HTTP_CONSTRAINT_FIELDS_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "proto/inference.pb.h"

namespace gantry {

// What both APIs say of an answer's form: OpenAI's response_format, vLLM's guided_json and
// guided_regex, and json, regex and json_object of its structured_outputs. Sets the constraint of
// `request`, and returns the field that asked for it; empty if none did. INVALID_ARGUMENT names the
// field that has a wrong type, asks for another form, or is the second to ask for one. Schemas and
// expressions themselves are the engine's to check.
absl::StatusOr<std::string> ReadConstraint(const Json& json, v1::GenerateRequest* request);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_CONSTRAINT_FIELDS_H_
