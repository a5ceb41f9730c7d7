#include "model/text/charsmap.h"

#include <utf8proc.h>

#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "model/text/limits.h"

namespace gantry {
namespace {

constexpr size_t kUnitBytes = 4;
// Longer clusters are replaced character by character.
constexpr size_t kMaxClusterBytes = 5;

uint32_t LittleEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < kUnitBytes; ++i) {
    value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return value;
}

// The fields of a unit, as in darts-clone's DoubleArrayUnit.
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t Value(uint32_t unit) { return unit & 0x7fffffff; }
uint32_t Label(uint32_t unit) { return unit & 0x800000ff; }
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & 1u << 9) >> 6); }

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("precompiled_charsmap: ", what));
}

}  // namespace

absl::StatusOr<Charsmap> Charsmap::Parse(absl::string_view bytes) {
  if (bytes.size() < kUnitBytes) {
    return Malformed(absl::StrCat("expected at least 4 bytes, found ", bytes.size()));
  }
  const uint32_t trie_bytes = LittleEndian(bytes);
  bytes.remove_prefix(kUnitBytes);
  if (trie_bytes == 0 || trie_bytes % kUnitBytes != 0 || trie_bytes > bytes.size()) {
    return Malformed(absl::StrCat("expected a trie of whole units in ", bytes.size(),
                                  " bytes, found ", trie_bytes, " bytes"));
  }
  Charsmap map;
  for (size_t i = 0; i < trie_bytes; i += kUnitBytes) {
    map.units_.push_back(LittleEndian(bytes.substr(i)));
  }
  map.replacements_ = std::string(bytes.substr(trie_bytes));
  if (!IsValidUtf8(map.replacements_)) return Malformed("the replacements are not UTF-8");
  return map;
}

bool Charsmap::Find(absl::string_view part, absl::string_view* replacement) const {
  uint32_t node = Offset(units_[0]);
  for (const unsigned char byte : part) {
    node ^= byte;
    if (byte == 0 || node >= units_.size() || Label(units_[node]) != byte) return false;
    const bool has_leaf = HasLeaf(units_[node]);
    node ^= Offset(units_[node]);
    if (!has_leaf) continue;
    if (node >= units_.size()) return false;
    const uint32_t begin = Value(units_[node]);
    // A replacement that begins within a character would not be UTF-8.
    if (begin >= replacements_.size() ||
        (static_cast<unsigned char>(replacements_[begin]) & 0xc0) == 0x80) {
      return false;
    }
    *replacement = absl::string_view(replacements_).substr(begin);
    *replacement = replacement->substr(0, replacement->find('\0'));
    return true;
  }
  return false;
}

bool Charsmap::AppendReplacement(const FlaggedText& text, size_t begin, size_t end,
                                 FlaggedText* out) const {
  absl::string_view replacement;
  if (!Find(absl::string_view(text.text).substr(begin, end - begin), &replacement)) return false;
  bool is_user = false;
  for (size_t i = begin; i < end; ++i) is_user = is_user || text.IsUser(i);
  out->Append(replacement, is_user);
  return true;
}

absl::StatusOr<FlaggedText> Charsmap::Apply(const FlaggedText& text) const {
  const absl::string_view view = text.text;
  FlaggedText out;
  std::vector<size_t> ends;  // of the cluster's characters
  for (size_t begin = 0; begin < view.size();) {
    ends.clear();
    utf8proc_int32_t state = 0;
    utf8proc_int32_t previous = 0;
    for (size_t pos = begin; pos < view.size();) {
      const auto character = static_cast<utf8proc_int32_t>(NextChar(view, &pos));
      if (!ends.empty() && utf8proc_grapheme_break_stateful(previous, character, &state)) break;
      ends.push_back(pos);
      previous = character;
    }
    const size_t end = ends.back();
    if (end - begin > kMaxClusterBytes || !AppendReplacement(text, begin, end, &out)) {
      for (const size_t character_end : ends) {
        if (!AppendReplacement(text, begin, character_end, &out)) {
          out.Append(text, begin, character_end);
        }
        begin = character_end;
      }
    }
    begin = end;
    if (out.text.size() > kMaxExpandedBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("text becomes longer than ", kMaxExpandedBytes, " bytes"));
    }
  }
  return out;
}

}  // namespace gantry
