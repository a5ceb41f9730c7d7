#include "model/grammar/regex_class.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace gantry {
namespace {

CharacterSet Digits() {
  CharacterSet set;
  set.Add('0', '9');
  return set;
}

CharacterSet WordCharacters() {
  CharacterSet set = Digits();
  set.Add('a', 'z');
  set.Add('A', 'Z');
  set.Add('_');
  return set;
}

CharacterSet WhiteSpace() {
  CharacterSet set;
  set.Add('\t', '\r');
  set.Add(' ');
  return set;
}

CharacterSet One(char32_t character) {
  CharacterSet set;
  set.Add(character);
  return set;
}

// `min` to `max` hexadecimal digits at *pos.
absl::StatusOr<uint32_t> HexDigits(absl::string_view text, int min, int max, size_t* pos) {
  uint32_t value = 0;
  int digits = 0;
  for (; digits < max && *pos < text.size() && absl::ascii_isxdigit(text[*pos]); ++*pos, ++digits) {
    const char c = absl::ascii_tolower(text[*pos]);
    value = value * 16 + (absl::ascii_isdigit(c) ? c - '0' : c - 'a' + 10);
  }
  if (digits < min) {
    return RegexError(*pos, absl::StrCat("expected ", min, " hexadecimal digits"));
  }
  return value;
}

absl::StatusOr<CharacterSet> CodePoint(absl::string_view text, char kind, size_t* pos) {
  const size_t begin = *pos;
  uint32_t value = 0;
  if (kind == 'u' && *pos < text.size() && text[*pos] == '{') {
    ++*pos;
    GANTRY_ASSIGN_OR_RETURN(value, HexDigits(text, 1, 6, pos));
    if (*pos >= text.size() || text[*pos] != '}') return RegexError(*pos, "expected }");
    ++*pos;
  } else {
    const int digits = kind == 'u' ? 4 : 2;
    GANTRY_ASSIGN_OR_RETURN(value, HexDigits(text, digits, digits, pos));
  }
  if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
    return RegexError(begin, "expected a character's number, no surrogate and at most 10FFFF");
  }
  return One(value);
}

}  // namespace

absl::Status RegexError(size_t pos, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("byte ", pos, ": ", problem));
}

absl::Status RegexUnsupported(size_t pos, absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat("byte ", pos, ": ", what, " is not supported"));
}

absl::StatusOr<CharacterSet> ParseRegexEscape(absl::string_view text, bool in_class, size_t* pos) {
  const size_t begin = *pos - 1;
  if (*pos >= text.size()) return RegexError(begin, "nothing behind the backslash");
  const char kind = text[(*pos)++];
  switch (kind) {
    case 'd':
      return Digits();
    case 'D':
      return Digits().Complement();
    case 'w':
      return WordCharacters();
    case 'W':
      return WordCharacters().Complement();
    case 's':
      return WhiteSpace();
    case 'S':
      return WhiteSpace().Complement();
    case 't':
      return One('\t');
    case 'n':
      return One('\n');
    case 'r':
      return One('\r');
    case 'f':
      return One('\f');
    case 'v':
      return One('\v');
    case 'x':
    case 'u':
      return CodePoint(text, kind, pos);
    case 'b':
      if (in_class) return RegexUnsupported(begin, "\\b in a class; write \\x08 for a backspace");
      return RegexUnsupported(begin, "a word boundary, \\b,");
    case 'B':
      return RegexUnsupported(begin, "a word boundary, \\B,");
    case 'p':
    case 'P':
      return RegexUnsupported(begin, "a Unicode property, \\p,");
    case 'k':
      return RegexUnsupported(begin, "a back-reference, \\k,");
    default:
      break;
  }
  if (kind >= '1' && kind <= '9') return RegexUnsupported(begin, "a back-reference");
  if (absl::ascii_isalnum(kind) || static_cast<unsigned char>(kind) >= 0x80) {
    --*pos;
    const size_t character = *pos;
    NextChar(text, pos);
    return RegexUnsupported(
        begin, absl::StrCat("the escape \\", text.substr(character, *pos - character)));
  }
  return One(kind);
}

absl::StatusOr<CharacterSet> ParseRegexClass(absl::string_view text, size_t* pos) {
  const size_t begin = (*pos)++;
  const auto at = [&](char c) { return *pos < text.size() && text[*pos] == c; };
  const bool negated = at('^');
  if (negated) ++*pos;
  CharacterSet set;
  if (at(']')) return RegexError(begin, "an empty class; write \\] for a bracket in it");
  while (!at(']')) {
    if (*pos >= text.size()) return RegexError(begin, "a [ without its ]");
    if (absl::StartsWith(text.substr(*pos), "[:")) {
      return RegexUnsupported(*pos, "a POSIX class, [:name:],");
    }
    const auto item = [&]() -> absl::StatusOr<CharacterSet> {
      if (at('\\')) {
        ++*pos;
        return ParseRegexEscape(text, true, pos);
      }
      CharacterSet one;
      one.Add(NextChar(text, pos));
      return one;
    };
    const auto single = [](const CharacterSet& of) {
      return of.ranges().size() == 1 && of.ranges()[0].first == of.ranges()[0].last;
    };
    const size_t item_begin = *pos;
    GANTRY_ASSIGN_OR_RETURN(const CharacterSet first, item());
    if (!single(first) || !at('-') || absl::StartsWith(text.substr(*pos), "-]")) {
      set.Add(first);
      continue;
    }
    ++*pos;
    if (*pos >= text.size()) return RegexError(begin, "a [ without its ]");
    GANTRY_ASSIGN_OR_RETURN(const CharacterSet last, item());
    if (!single(last) || last.ranges()[0].first < first.ranges()[0].first) {
      return RegexError(item_begin, "a range that does not go from a lower to a higher character");
    }
    set.Add(first.ranges()[0].first, last.ranges()[0].first);
  }
  ++*pos;
  return negated ? set.Complement() : set;
}

}  // namespace gantry
