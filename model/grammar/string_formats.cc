#include "model/grammar/string_formats.h"

namespace gantry {
namespace {

// Months as long as they are; the 29th of February in leap years from 0004 on.
#define DATE                                                                                \
  "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|" \
  "02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|"      \
  "[13579][26])00)-02-29)"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?"
#define ZONE "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define HOST_PART "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

struct Format {
  absl::string_view name;
  absl::string_view regex;
};
constexpr Format kTable[] = {
    {"date-time", DATE "T" TIME ZONE},
    {"date", DATE},
    {"time", TIME ZONE},
    {"uuid", "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"},
    {"email",
     "[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@" HOST_PART "(\\." HOST_PART ")*\\.[A-Za-z]{2,24}"},
};

}  // namespace

absl::string_view FormatRegex(absl::string_view format) {
  for (const Format& known : kTable) {
    if (known.name == format) return known.regex;
  }
  return "";
}

}  // namespace gantry
