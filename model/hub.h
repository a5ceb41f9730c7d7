#ifndef GANTRY_MODEL_HUB_H_
#define GANTRY_MODEL_HUB_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// The folder of a model given as a path, or as "org/name" or "org/name@revision" in the local
// Hugging Face cache: $HF_HUB_CACHE, or else $HF_HOME/hub, $XDG_CACHE_HOME/huggingface/hub,
// ~/.cache/huggingface/hub. Nothing is downloaded. A folder is a model's if it has a config.json.
//
// A non-empty `root` is tried first: ROOT/NAME, and for an absolute path ROOT/LAST_PART, because
// nodes may keep the same model in different places.
//
// NOT_FOUND names every place that was looked at and what it lacked; INVALID_ARGUMENT for a name
// with "..", NUL or other malformed parts. Only a path that begins with "/", "./" or "../" may
// climb, and only without a root.
absl::StatusOr<std::string> ResolveModel(absl::string_view path_or_name,
                                         absl::string_view root = "");

}  // namespace gantry

#endif  // GANTRY_MODEL_HUB_H_
