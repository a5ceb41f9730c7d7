#ifndef GANTRY_MODEL_GRAMMAR_STRING_FORMATS_H_
#define GANTRY_MODEL_GRAMMAR_STRING_FORMATS_H_

#include "absl/strings/string_view.h"

namespace gantry {

// An expression (regex.h) of the strings of a schema's `format`, empty for one that is not known:
// date-time, date and time as RFC 3339 has them (no leap seconds), uuid as RFC 4122 does, email
// the plain form of RFC 5321, name@host.domain.
absl::string_view FormatRegex(absl::string_view format);
inline constexpr char kFormats[] = "date-time, date, time, uuid, email";

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_STRING_FORMATS_H_
