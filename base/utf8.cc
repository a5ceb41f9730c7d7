#include "base/utf8.h"

namespace gantry {
namespace {

// Table 3-7 of the Unicode Standard: for a lead byte, the length of the character and the range
// that its second byte must lie in. Length 0: no character begins so.
struct Lead {
  int length;
  unsigned char low;
  unsigned char high;
};
Lead ClassifyLead(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

// What begins at text[pos]: the bytes that are well-formed so far, and whether they are a whole
// character, could become one with more text, or are ill-formed.
struct Scan {
  enum { kWhole, kPartial, kIllFormed } kind;
  int length;
};
Scan ScanAt(absl::string_view text, size_t pos) {
  const Lead lead = ClassifyLead(text[pos]);
  if (lead.length == 0) return {Scan::kIllFormed, 1};
  for (int i = 1; i < lead.length; ++i) {
    if (pos + i >= text.size()) return {Scan::kPartial, i};
    const unsigned char byte = text[pos + i];
    const unsigned char low = i == 1 ? lead.low : 0x80;
    const unsigned char high = i == 1 ? lead.high : 0xbf;
    if (byte < low || byte > high) return {Scan::kIllFormed, i};
  }
  return {Scan::kWhole, lead.length};
}

}  // namespace

bool IsValidUtf8(absl::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    const Scan scan = ScanAt(text, pos);
    if (scan.kind != Scan::kWhole) return false;
    pos += scan.length;
  }
  return true;
}

size_t CompleteUtf8Prefix(absl::string_view text) {
  // Only a character that begins within the last three bytes can be incomplete.
  size_t begin = text.size() < 3 ? 0 : text.size() - 3;
  for (size_t pos = begin; pos < text.size(); ++pos) {
    if ((static_cast<unsigned char>(text[pos]) & 0xc0) == 0x80) continue;
    if (ScanAt(text, pos).kind == Scan::kPartial) return pos;
  }
  return text.size();
}

std::string ReplaceInvalidUtf8(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const Scan scan = ScanAt(text, pos);
    if (scan.kind == Scan::kWhole) {
      out.append(text.data() + pos, scan.length);
    } else {
      out.append("\xef\xbf\xbd");
    }
    pos += scan.length;
  }
  return out;
}

char32_t NextChar(absl::string_view text, size_t* pos) {
  const Scan scan = ScanAt(text, *pos);
  const size_t begin = *pos;
  *pos += scan.length;
  if (scan.kind != Scan::kWhole) return 0xfffd;
  const unsigned char lead = text[begin];
  char32_t character = scan.length == 1 ? lead : lead & (0x7f >> scan.length);
  for (int i = 1; i < scan.length; ++i) {
    character = character << 6 | (static_cast<unsigned char>(text[begin + i]) & 0x3f);
  }
  return character;
}

void AppendUtf8(char32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xc0 | c >> 6));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | c >> 12));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out->push_back(static_cast<char>(0xf0 | c >> 18));
    out->push_back(static_cast<char>(0x80 | (c >> 12 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

}  // namespace gantry
