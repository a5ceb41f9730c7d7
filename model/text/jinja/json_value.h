#ifndef GANTRY_MODEL_TEXT_JINJA_JSON_VALUE_H_
#define GANTRY_MODEL_TEXT_JINJA_JSON_VALUE_H_

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/text/jinja/runtime.h"

namespace gantry::jinja {

// A user's JSON as a template's value: its strings, also those of keys, are marked as typed. As
// deep as ParseJson lets it be. RESOURCE_EXHAUSTED when it passes the runtime's limits.
absl::StatusOr<Value> JsonValue(Runtime* runtime, const Json& json);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_JSON_VALUE_H_
