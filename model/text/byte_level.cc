#include "model/text/byte_level.h"

#include <array>

#include "base/utf8.h"

namespace gantry {
namespace {

constexpr int kEnd = 0x100 + 68;

struct Tables {
  std::array<char32_t, 256> character;
  std::array<int, kEnd> byte;  // -1: stands for none
};

constexpr bool IsPrintable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr Tables MakeTables() {
  Tables tables = {};
  for (int& byte : tables.byte) byte = -1;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    tables.character[byte] = IsPrintable(byte) ? static_cast<char32_t>(byte) : next++;
    tables.byte[tables.character[byte]] = byte;
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

const char kGpt2Expression[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

void AppendByteLevel(absl::string_view bytes, std::string* out) {
  for (const unsigned char byte : bytes) AppendUtf8(kTables.character[byte], out);
}

bool AppendFromByteLevel(absl::string_view text, std::string* out) {
  const size_t size = out->size();
  for (size_t pos = 0; pos < text.size();) {
    const char32_t character = NextChar(text, &pos);
    if (character >= kEnd || kTables.byte[character] < 0) {
      out->resize(size);
      return false;
    }
    out->push_back(static_cast<char>(kTables.byte[character]));
  }
  return true;
}

}  // namespace gantry
