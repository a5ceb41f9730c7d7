#ifndef GANTRY_MODEL_TEXT_CHARACTER_NORMALIZERS_H_
#define GANTRY_MODEL_TEXT_CHARACTER_NORMALIZERS_H_

#include "model/text/flagged_text.h"

namespace gantry {

// Normalizers of the `tokenizers` library that look at one character at a time. What comes of a
// user's character is a user's.

FlaggedText Lowercase(const FlaggedText& text);
// Takes marks away; those that are part of a composed character stay.
FlaggedText StripAccents(const FlaggedText& text);
// White space at the ends.
FlaggedText Strip(const FlaggedText& text, bool left, bool right);
// Takes control characters away and makes other white space spaces, as the Moses scripts do.
FlaggedText Nmt(const FlaggedText& text);
// GPT-2's writing of bytes as characters (byte_level.h).
FlaggedText ToByteLevel(const FlaggedText& text);

// BERT's.
struct BertOptions {
  bool clean_text = true;            // no control characters, all white space a space
  bool handle_chinese_chars = true;  // spaces around ideographs
  bool strip_accents = true;
  bool lowercase = true;
};
FlaggedText BertNormalize(const BertOptions& options, const FlaggedText& text);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_CHARACTER_NORMALIZERS_H_
