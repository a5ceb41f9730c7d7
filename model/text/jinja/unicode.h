#ifndef GANTRY_MODEL_TEXT_JINJA_UNICODE_H_
#define GANTRY_MODEL_TEXT_JINJA_UNICODE_H_

namespace gantry::jinja {

// Properties of characters as Python's str methods see them.
bool IsWhitespace(char32_t c);
bool IsLetter(char32_t c);
bool IsDecimal(char32_t c);
bool IsUpper(char32_t c);
bool IsLower(char32_t c);
// Whether repr() shows the character itself.
bool IsPrintable(char32_t c);
// One character to one: of the few that become several only the German sharp s is known, to
// ChangeCase.
char32_t ToUpper(char32_t c);
char32_t ToLower(char32_t c);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_UNICODE_H_
