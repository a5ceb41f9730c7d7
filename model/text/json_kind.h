#ifndef GANTRY_MODEL_TEXT_JSON_KIND_H_
#define GANTRY_MODEL_TEXT_JSON_KIND_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"

namespace gantry {

// The "type" of a component of tokenizer.json. INVALID_ARGUMENT for what is not an object with one.
absl::StatusOr<std::string> GetKind(const Json& component, absl::string_view what);

// UNIMPLEMENTED "WHAT KIND is not supported; supported are LIST".
absl::Status UnsupportedKind(absl::string_view what, absl::string_view kind,
                             absl::string_view supported);

// Calls `visit` with `component`, or, where it is a "Sequence", with the leaves of its `members`
// array in order. Null has no leaves. RESOURCE_EXHAUSTED beyond kMaxSteps leaves.
absl::Status ForEachStep(
    const Json* component, absl::string_view what, absl::string_view members,
    const std::function<absl::Status(const Json&, const std::string& kind)>& visit);

// A member that is one character. INVALID_ARGUMENT naming `key` for anything else.
absl::StatusOr<std::string> GetCharacter(const Json& object, absl::string_view key);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_JSON_KIND_H_
