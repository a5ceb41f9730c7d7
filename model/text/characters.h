#ifndef GANTRY_MODEL_TEXT_CHARACTERS_H_
#define GANTRY_MODEL_TEXT_CHARACTERS_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace gantry {

// Properties of Unicode's character database. Text is well-formed UTF-8.

// White_Space.
bool IsSpace(char32_t character);
// Alphabetic, a mark, decimal digit, connector, or join control: "\w" of Unicode Technical
// Standard 18.
bool IsWordCharacter(char32_t character);
// A number of any kind (Nd, Nl, No).
bool IsNumber(char32_t character);
// A mark of any kind (Mn, Mc, Me).
bool IsMark(char32_t character);
bool IsNonspacingMark(char32_t character);
// Punctuation of any kind (P), and the symbols of ASCII.
bool IsPunctuation(char32_t character);
// A control, format, surrogate or private character (C, but for what is not assigned).
bool IsOther(char32_t character);
// Appends the character in lower case, without regard to its neighbours.
void AppendLowercase(char32_t character, std::string* out);

bool StartsWithWordCharacter(absl::string_view text);
bool EndsWithWordCharacter(absl::string_view text);
// Bytes of white space that the text begins or ends with.
size_t LeadingSpace(absl::string_view text);
size_t TrailingSpace(absl::string_view text);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_CHARACTERS_H_
