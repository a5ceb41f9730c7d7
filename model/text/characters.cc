#include "model/text/characters.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace gantry {
namespace {

size_t LastCharacterBegin(absl::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
  return begin;
}

}  // namespace

bool IsSpace(char32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

bool IsWordCharacter(char32_t c) {
  if (c == 0x200c || c == 0x200d) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

bool IsNumber(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO;
}

bool StartsWithWordCharacter(absl::string_view text) {
  size_t pos = 0;
  return !text.empty() && IsWordCharacter(NextChar(text, &pos));
}

bool EndsWithWordCharacter(absl::string_view text) {
  if (text.empty()) return false;
  size_t pos = LastCharacterBegin(text);
  return IsWordCharacter(NextChar(text, &pos));
}

size_t LeadingSpace(absl::string_view text) {
  size_t space = 0;
  for (size_t pos = 0; pos < text.size(); space = pos) {
    if (!IsSpace(NextChar(text, &pos))) break;
  }
  return space;
}

size_t TrailingSpace(absl::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    const size_t begin = LastCharacterBegin(text.substr(0, end));
    size_t pos = begin;
    if (!IsSpace(NextChar(text, &pos))) break;
    end = begin;
  }
  return text.size() - end;
}

}  // namespace gantry
