#include "model/text/jinja/string_literal.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace gantry::jinja {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char SimpleEscape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'v':
      return '\v';
    case '\\':
    case '\'':
    case '"':
      return c;
    default:
      return 0;
  }
}

}  // namespace

absl::StatusOr<std::string> DecodeStringLiteral(absl::string_view literal) {
  std::string out;
  for (size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      out.push_back(literal[i]);
      continue;
    }
    const char c = literal[++i];
    if (const char simple = SimpleEscape(c)) {
      out.push_back(simple);
    } else if (c == '\n') {
      continue;
    } else if (c >= '0' && c <= '7') {
      char32_t code = 0;
      size_t end = i;
      while (end < literal.size() && end < i + 3 && literal[end] >= '0' && literal[end] <= '7') {
        code = code * 8 + (literal[end++] - '0');
      }
      AppendUtf8(code, &out);
      i = end - 1;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      char32_t code = 0;
      for (size_t d = 1; d <= digits; ++d) {
        const int value = i + d < literal.size() ? HexDigit(literal[i + d]) : -1;
        if (value < 0) {
          return absl::InvalidArgumentError(
              absl::StrCat("the escape \\", std::string(1, c), " needs ", digits, " hex digits"));
        }
        code = code * 16 + value;
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
        return absl::InvalidArgumentError("an escape that is no character");
      }
      AppendUtf8(code, &out);
      i += digits;
    } else if (c == 'N') {
      return absl::InvalidArgumentError("named characters (\\N) are not supported");
    } else {
      out.push_back('\\');
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace gantry::jinja
