#include "model/text/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/utf8.h"

namespace gantry {
namespace {

int CombiningClass(utf8proc_int32_t character) {
  return utf8proc_get_property(character)->combining_class;
}

void AppendDecomposed(char32_t character, std::vector<utf8proc_int32_t>* out) {
  // The longest canonical decomposition has four characters.
  utf8proc_int32_t parts[8];
  int boundary = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(character), parts, 8,
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), &boundary);
  if (count < 0 || count > 8) {
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

void AppendNfc(absl::string_view text, std::string* out) {
  std::vector<utf8proc_int32_t> characters;
  for (size_t pos = 0; pos < text.size();) AppendDecomposed(NextChar(text, &pos), &characters);
  OrderCombining(&characters);
  const utf8proc_ssize_t count =
      utf8proc_normalize_utf32(characters.data(), static_cast<utf8proc_ssize_t>(characters.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    AppendUtf8(static_cast<char32_t>(characters[i]), out);
  }
}

bool IsAscii(char byte) { return static_cast<unsigned char>(byte) < 0x80; }

}  // namespace

std::string ToNfc(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  // An ASCII character never changes, nor joins what is before it: only it and the run of others
  // behind it have to be looked at together.
  for (size_t pos = 0; pos < text.size();) {
    size_t begin = pos;
    while (pos < text.size() && IsAscii(text[pos])) ++pos;
    const size_t run = pos > begin && pos < text.size() ? pos - 1 : pos;
    out.append(text.data() + begin, run - begin);
    while (pos < text.size() && !IsAscii(text[pos])) ++pos;
    AppendNfc(text.substr(run, pos - run), &out);
  }
  return out;
}

}  // namespace gantry
