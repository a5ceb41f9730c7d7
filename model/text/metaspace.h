#ifndef GANTRY_MODEL_TEXT_METASPACE_H_
#define GANTRY_MODEL_TEXT_METASPACE_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace gantry {

// The options that the pre-tokenizer and the decoder Metaspace share: spaces are written as
// `replacement`, and one is put before pieces that do not begin with one.
struct Metaspace {
  std::string replacement = "\xe2\x96\x81";  // one character
  enum Scheme { kAlways, kFirst, kNever } scheme = kAlways;
  bool split = true;  // at each replacement
};

// Also the older form, with add_prefix_space instead of prepend_scheme.
absl::StatusOr<Metaspace> ParseMetaspace(const Json& json);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_METASPACE_H_
