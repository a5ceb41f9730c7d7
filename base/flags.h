#ifndef GANTRY_BASE_FLAGS_H_
#define GANTRY_BASE_FLAGS_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"

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

// INVALID_ARGUMENT "--FLAG: expected ..., found ...", of a value cut to 60 characters.
absl::Status WrongFlag(absl::string_view flag, absl::string_view expected, absl::string_view found);
// The same for a number that is not in [min, max].
absl::Status CheckFlagRange(absl::string_view flag, int64_t value, int64_t min, int64_t max);
// The type that `value` names as torch does, such as float16. WrongFlag for others than `allowed`.
absl::StatusOr<DType> DTypeFromFlag(absl::string_view flag, absl::string_view value,
                                    std::initializer_list<DType> allowed);

}  // namespace gantry

#endif  // GANTRY_BASE_FLAGS_H_
