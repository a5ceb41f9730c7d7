#ifndef GANTRY_PLAN_KNOWN_MODELS_DATA_H_
#define GANTRY_PLAN_KNOWN_MODELS_DATA_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace gantry {

// The text of each of known_models/*.json; the build turns them into a source file.
std::vector<absl::string_view> KnownModelFiles();

}  // namespace gantry

#endif  // GANTRY_PLAN_KNOWN_MODELS_DATA_H_
