#ifndef GANTRY_MODEL_TEXT_ONIGURUMA_SYNTAX_H_
#define GANTRY_MODEL_TEXT_ONIGURUMA_SYNTAX_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// A regular expression in Oniguruma's Ruby syntax (its doc/RE) in the syntax of PCRE2. What both
// accept and mean differently is translated (\s, \w, classes in classes, intersections) or
// refused with UNIMPLEMENTED (\h, the option m). The result need not be well-formed.
absl::StatusOr<std::string> FromOniguruma(absl::string_view expression);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_ONIGURUMA_SYNTAX_H_
