#ifndef GANTRY_MODEL_TEXT_UNICODE_FORM_H_
#define GANTRY_MODEL_TEXT_UNICODE_FORM_H_

#include "model/text/flagged_text.h"

namespace gantry {

// The normalization forms of UAX #15.
enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

// `text`, well-formed UTF-8, in a form. What takes the place of text with a user's bytes in it is
// a user's, from a character that cannot change to the next. O(n log n).
FlaggedText ToUnicodeForm(UnicodeForm form, const FlaggedText& text);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_UNICODE_FORM_H_
