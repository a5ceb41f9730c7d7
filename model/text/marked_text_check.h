#ifndef GANTRY_MODEL_TEXT_MARKED_TEXT_CHECK_H_
#define GANTRY_MODEL_TEXT_MARKED_TEXT_CHECK_H_

#include "absl/status/status.h"
#include "model/text/marked_text.h"

namespace gantry {

// INVALID_ARGUMENT for text that is not UTF-8 or has more than kMaxTextBytes, and for spans that
// are not ascending, disjoint, and within the text.
absl::Status CheckMarkedText(const MarkedText& text);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_MARKED_TEXT_CHECK_H_
