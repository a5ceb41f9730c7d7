#ifndef GANTRY_BASE_FLAGS_H_
#define GANTRY_BASE_FLAGS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry {

// Parses the command line into the absl::Flags of the program. Abseil's own parser ends the
// process with code 1 on a typo; this one keeps the contract of base/exit_code.h: code 2, with the
// closest flag named. Accepts --flag=value, --flag value, --bool, --nobool, -- (end of flags), and
// one dash for two. --help prints `usage` and every flag that is defined in a file whose path
// contains one of `flag_files`; --version prints the version. Both end the process with code 0.
// Returns the arguments that are no flags.
std::vector<std::string> ParseFlags(int argc, char** argv, absl::string_view usage,
                                    const std::vector<std::string>& flag_files);

// Prints "PROGRAM: message" and a hint at --help to stderr and ends the process with code 2.
[[noreturn]] void UsageError(absl::string_view message);

}  // namespace gantry

#endif  // GANTRY_BASE_FLAGS_H_
