#include "model/text/unicode_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/utf8.h"

namespace gantry {
namespace {

int CombiningClass(utf8proc_int32_t character) {
  return utf8proc_get_property(character)->combining_class;
}

bool IsCompatible(UnicodeForm form) {
  return form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
}
bool IsComposed(UnicodeForm form) {
  return form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
}

void AppendDecomposed(UnicodeForm form, char32_t character, std::vector<utf8proc_int32_t>* out) {
  // The longest decomposition, of U+FDFA, has 18 characters.
  constexpr int kLongest = 32;
  utf8proc_int32_t parts[kLongest];
  int boundary = 0;
  const int options =
      UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | (IsCompatible(form) ? UTF8PROC_COMPAT : 0);
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(character), parts, kLongest,
                              static_cast<utf8proc_option_t>(options), &boundary);
  if (count < 0 || count > kLongest) {
    out->push_back(static_cast<utf8proc_int32_t>(character));
  } else {
    out->insert(out->end(), parts, parts + count);
  }
}

// The library's own ordering takes quadratic time on a long run of combining characters.
void OrderCombining(std::vector<utf8proc_int32_t>* text) {
  for (auto begin = text->begin(); begin != text->end();) {
    if (CombiningClass(*begin) == 0) {
      ++begin;
      continue;
    }
    const auto end =
        std::find_if(begin, text->end(), [](auto c) { return CombiningClass(c) == 0; });
    std::stable_sort(begin, end,
                     [](auto a, auto b) { return CombiningClass(a) < CombiningClass(b); });
    begin = end;
  }
}

std::string Convert(UnicodeForm form, absl::string_view text) {
  std::vector<utf8proc_int32_t> characters;
  for (size_t pos = 0; pos < text.size();) {
    AppendDecomposed(form, NextChar(text, &pos), &characters);
  }
  OrderCombining(&characters);
  utf8proc_ssize_t count = static_cast<utf8proc_ssize_t>(characters.size());
  if (IsComposed(form)) {
    count = utf8proc_normalize_utf32(
        characters.data(), count,
        static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  }
  std::string out;
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    AppendUtf8(static_cast<char32_t>(characters[i]), &out);
  }
  return out;
}

bool IsAscii(char byte) { return static_cast<unsigned char>(byte) < 0x80; }

void AppendConverted(UnicodeForm form, const FlaggedText& text, size_t begin, size_t end,
                     FlaggedText* out) {
  const absl::string_view source = absl::string_view(text.text).substr(begin, end - begin);
  const std::string converted = Convert(form, source);
  if (converted == source) {
    out->Append(text, begin, end);
    return;
  }
  // The character in front often stays what it is.
  const size_t same = IsAscii(source[0]) && converted[0] == source[0] ? 1 : 0;
  out->Append(text, begin, begin + same);
  bool is_user = false;
  for (size_t i = begin + same; i < end && !is_user; ++i) is_user = text.IsUser(i);
  out->Append(absl::string_view(converted).substr(same), is_user);
}

}  // namespace

FlaggedText ToUnicodeForm(UnicodeForm form, const FlaggedText& text) {
  const std::string& bytes = text.text;
  FlaggedText out;
  out.text.reserve(bytes.size());
  // An ASCII character never changes, nor joins what is before it: only it and the run of others
  // behind it have to be looked at together.
  for (size_t pos = 0; pos < bytes.size();) {
    const size_t begin = pos;
    while (pos < bytes.size() && IsAscii(bytes[pos])) ++pos;
    const size_t run = pos > begin && pos < bytes.size() ? pos - 1 : pos;
    out.Append(text, begin, run);
    while (pos < bytes.size() && !IsAscii(bytes[pos])) ++pos;
    if (run < pos) AppendConverted(form, text, run, pos, &out);
  }
  return out;
}

}  // namespace gantry
