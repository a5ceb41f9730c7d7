#ifndef GANTRY_MODEL_TEXT_CHARSMAP_H_
#define GANTRY_MODEL_TEXT_CHARSMAP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/text/flagged_text.h"

namespace gantry {

// The table by which sentencepiece normalises text ("precompiled_charsmap"): a double-array trie
// (Aoe 1989, as darts-clone lays it out) of strings, and what to write for each. Immutable.
class Charsmap {
 public:
  // From the bytes: the trie's size in bytes (4, little endian), the trie (units of 4 bytes), and
  // the replacements, each up to a NUL. INVALID_ARGUMENT for what is not of this form.
  static absl::StatusOr<Charsmap> Parse(absl::string_view bytes);

  // As the `tokenizers` library's Precompiled applies it: to whole grapheme clusters below six
  // bytes, and else to characters, and of the entries that such a part begins with to the shortest.
  // RESOURCE_EXHAUSTED when the text becomes longer than kMaxExpandedBytes.
  absl::StatusOr<FlaggedText> Apply(const FlaggedText& text) const;

 private:
  Charsmap() = default;
  // What to write for `part`, false if it stays as it is.
  bool Find(absl::string_view part, absl::string_view* replacement) const;
  // Appends the replacement for [begin, end), false if there is none.
  bool AppendReplacement(const FlaggedText& text, size_t begin, size_t end, FlaggedText* out) const;

  std::vector<uint32_t> units_;
  std::string replacements_;  // well-formed UTF-8
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_CHARSMAP_H_
