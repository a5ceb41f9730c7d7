#ifndef GANTRY_MODEL_TEXT_NFC_H_
#define GANTRY_MODEL_TEXT_NFC_H_

#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// `text`, well-formed UTF-8, in Unicode Normalization Form C (UAX #15). O(n log n).
std::string ToNfc(absl::string_view text);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_NFC_H_
