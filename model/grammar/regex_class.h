#ifndef GANTRY_MODEL_GRAMMAR_REGEX_CLASS_H_
#define GANTRY_MODEL_GRAMMAR_REGEX_CLASS_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/grammar/character_set.h"

namespace gantry {

// What a backslash in an expression stands for: \d, \n, \u00e9, \\. text[*pos] is behind the
// backslash; *pos moves behind the escape. `in_class`: within [...], where \b would be a backspace.
absl::StatusOr<CharacterSet> ParseRegexEscape(absl::string_view text, bool in_class, size_t* pos);

// What [...] stands for; text[*pos] is the [, and *pos moves behind the ].
absl::StatusOr<CharacterSet> ParseRegexClass(absl::string_view text, size_t* pos);

// INVALID_ARGUMENT, and UNIMPLEMENTED, that say where in the expression.
absl::Status RegexError(size_t pos, absl::string_view problem);
absl::Status RegexUnsupported(size_t pos, absl::string_view what);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_REGEX_CLASS_H_
