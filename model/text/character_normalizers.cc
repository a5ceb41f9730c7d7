#include "model/text/character_normalizers.h"

#include <string>

#include "absl/functional/function_ref.h"
#include "base/utf8.h"
#include "model/text/byte_level.h"
#include "model/text/characters.h"
#include "model/text/unicode_form.h"

namespace gantry {
namespace {

FlaggedText MapCharacters(const FlaggedText& text,
                          absl::FunctionRef<void(char32_t character, std::string* out)> map) {
  FlaggedText out;
  out.text.reserve(text.text.size());
  std::string mapped;
  for (size_t pos = 0; pos < text.text.size();) {
    const bool is_user = text.IsUser(pos);
    mapped.clear();
    map(NextChar(text.text, &pos), &mapped);
    out.Append(mapped, is_user);
  }
  return out;
}

bool IsNmtControl(char32_t c) {
  return (c >= 0x01 && c <= 0x08) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f ||
         c == 0x8f || c == 0x9f;
}

bool IsNmtSpace(char32_t c) {
  return c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 ||
         (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
         c == 0xfffd;
}

bool IsIdeograph(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

void CleanCharacter(char32_t c, std::string* out) {
  if (c == '\t' || c == '\n' || c == '\r') {
    out->push_back(' ');
  } else if (c != 0 && c != 0xfffd && !IsOther(c)) {
    AppendUtf8(IsSpace(c) ? ' ' : c, out);
  }
}

}  // namespace

FlaggedText Lowercase(const FlaggedText& text) { return MapCharacters(text, AppendLowercase); }

FlaggedText StripAccents(const FlaggedText& text) {
  return MapCharacters(text, [](char32_t c, std::string* out) {
    if (!IsMark(c)) AppendUtf8(c, out);
  });
}

FlaggedText Strip(const FlaggedText& text, bool left, bool right) {
  const size_t begin = left ? LeadingSpace(text.text) : 0;
  const absl::string_view rest = absl::string_view(text.text).substr(begin);
  return text.Slice(begin, text.text.size() - (right ? TrailingSpace(rest) : 0));
}

FlaggedText Nmt(const FlaggedText& text) {
  return MapCharacters(text, [](char32_t c, std::string* out) {
    if (!IsNmtControl(c)) AppendUtf8(IsNmtSpace(c) ? ' ' : c, out);
  });
}

FlaggedText ToByteLevel(const FlaggedText& text) {
  return MapCharacters(text, [](char32_t c, std::string* out) {
    std::string bytes;
    AppendUtf8(c, &bytes);
    AppendByteLevel(bytes, out);
  });
}

FlaggedText BertNormalize(const BertOptions& options, const FlaggedText& text) {
  FlaggedText out = text;
  if (options.clean_text) out = MapCharacters(out, CleanCharacter);
  if (options.handle_chinese_chars) {
    out = MapCharacters(out, [](char32_t c, std::string* mapped) {
      if (IsIdeograph(c)) mapped->push_back(' ');
      AppendUtf8(c, mapped);
      if (IsIdeograph(c)) mapped->push_back(' ');
    });
  }
  if (options.strip_accents) {
    out = MapCharacters(ToUnicodeForm(UnicodeForm::kNfd, out), [](char32_t c, std::string* mapped) {
      if (!IsNonspacingMark(c)) AppendUtf8(c, mapped);
    });
  }
  if (options.lowercase) out = Lowercase(out);
  return out;
}

}  // namespace gantry
