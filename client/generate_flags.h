#ifndef GANTRY_CLIENT_GENERATE_FLAGS_H_
#define GANTRY_CLIENT_GENERATE_FLAGS_H_

#include <istream>

#include "absl/status/statusor.h"
#include "client/generate_options.h"

namespace gantry {

// The text before the flags in `generate --help`.
extern const char kGenerateUsage[];

// The flags of `generate` as options that CheckOptions accepts. `-` as --prompt or --chat is all of
// `input`; of a chat message its last line end is not kept. INVALID_ARGUMENT naming the flag.
absl::StatusOr<GenerateOptions> GenerateOptionsFromFlags(std::istream& input);

}  // namespace gantry

#endif  // GANTRY_CLIENT_GENERATE_FLAGS_H_
