#ifndef GANTRY_MODEL_TEXT_JINJA_STRING_LITERAL_H_
#define GANTRY_MODEL_TEXT_JINJA_STRING_LITERAL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::jinja {

// What stands between the quotes of a string literal, with the escapes of Python's
// "unicode_escape" codec decoded. INVALID_ARGUMENT for an escape cut short, for named characters
// (\N{...}) and for surrogates.
absl::StatusOr<std::string> DecodeStringLiteral(absl::string_view literal);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_STRING_LITERAL_H_
