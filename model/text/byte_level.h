#ifndef GANTRY_MODEL_TEXT_BYTE_LEVEL_H_
#define GANTRY_MODEL_TEXT_BYTE_LEVEL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// GPT-2's writing of bytes as printable characters (bytes_to_unicode in its encoder.py): printable
// Latin-1 stands for itself, the other 68 bytes, in order, for U+0100 and up.

// Appends a character for each byte.
void AppendByteLevel(absl::string_view bytes, std::string* out);
// Appends the bytes that the characters stand for; false, with `out` unchanged, if one stands for
// none. `text` is well-formed UTF-8.
bool AppendFromByteLevel(absl::string_view text, std::string* out);

// The expression by which GPT-2 cuts text.
extern const char kGpt2Expression[];

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_BYTE_LEVEL_H_
