#ifndef GANTRY_COORDINATOR_HTTP_PERCENT_H_
#define GANTRY_COORDINATOR_HTTP_PERCENT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// As JavaScript's encodeURIComponent writes it.
std::string PercentEncoded(absl::string_view text);
// Nothing where a % is not followed by two hexadecimal digits.
std::optional<std::string> PercentDecoded(absl::string_view text);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_PERCENT_H_
