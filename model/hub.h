#ifndef GANTRY_MODEL_HUB_H_
#define GANTRY_MODEL_HUB_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// The folder of a model given as a path, or as "org/name" or "org/name@revision" in the local
// Hugging Face cache
// ($HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub). Nothing is downloaded. A non-empty
// `root` is tried first: ROOT/NAME. NOT_FOUND names every place that was looked at;
// INVALID_ARGUMENT for a name with "..", NUL or other malformed parts.
absl::StatusOr<std::string> ResolveModel(absl::string_view path_or_name,
                                         absl::string_view root = "");

}  // namespace gantry

#endif  // GANTRY_MODEL_HUB_H_
