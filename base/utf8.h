#ifndef GANTRY_BASE_UTF8_H_
#define GANTRY_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// Whether `text` is well-formed UTF-8 (no surrogates, no over-long forms, at most U+10FFFF).
bool IsValidUtf8(absl::string_view text);

// Length of the longest prefix of `text` that does not end within a character. Bytes that can
// never become a character count as complete.
size_t CompleteUtf8Prefix(absl::string_view text);

// `text` with every maximal ill-formed subsequence replaced by U+FFFD, as Python's
// bytes.decode("utf-8", "replace") does.
std::string ReplaceInvalidUtf8(absl::string_view text);

// Decodes the character at text[*pos] and moves *pos behind it. An ill-formed sequence yields
// U+FFFD and moves past its maximal ill-formed subsequence. Requires *pos < text.size().
char32_t NextChar(absl::string_view text, size_t* pos);

void AppendUtf8(char32_t character, std::string* out);

}  // namespace gantry

#endif  // GANTRY_BASE_UTF8_H_
