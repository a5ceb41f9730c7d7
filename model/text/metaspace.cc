#include "model/text/metaspace.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/json_kind.h"

namespace gantry {

absl::StatusOr<Metaspace> ParseMetaspace(const Json& json) {
  Metaspace options;
  GANTRY_ASSIGN_OR_RETURN(options.replacement, GetCharacter(json, "replacement"));
  GANTRY_ASSIGN_OR_RETURN(const std::string scheme, GetStringOr(json, "prepend_scheme", "always"));
  GANTRY_ASSIGN_OR_RETURN(const bool add_prefix, GetBoolOr(json, "add_prefix_space", true));
  GANTRY_ASSIGN_OR_RETURN(options.split, GetBoolOr(json, "split", true));
  if (scheme == "never" || !add_prefix) {
    options.scheme = Metaspace::kNever;
  } else if (scheme == "first") {
    options.scheme = Metaspace::kFirst;
  } else if (scheme != "always") {
    return absl::InvalidArgumentError(
        absl::StrCat("prepend_scheme: expected always, first or never, found \"",
                     absl::CHexEscape(scheme), "\""));
  }
  return options;
}

}  // namespace gantry
