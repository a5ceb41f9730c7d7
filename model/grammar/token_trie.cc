#include "model/grammar/token_trie.h"

#include <algorithm>

#include "base/utf8.h"

namespace gantry {

int32_t FreeCharacters(absl::string_view bytes) {
  if (!IsValidUtf8(bytes)) return TokenTrie::kNotFree;
  int32_t characters = 0;
  for (size_t pos = 0; pos < bytes.size(); ++characters) {
    const char32_t character = NextChar(bytes, &pos);
    if (character < 0x20 || character == '"' || character == '\\') return TokenTrie::kNotFree;
  }
  return characters;
}

TokenTrie TokenTrie::Build(std::vector<std::pair<std::string, int32_t>> tokens) {
  std::sort(tokens.begin(), tokens.end());
  TokenTrie trie;
  std::vector<uint32_t> open;  // the nodes of the last token's bytes
  const auto close = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back()) {
      Node& node = trie.nodes_[open.back()];
      node.end = static_cast<uint32_t>(trie.nodes_.size());
      if (open.size() < 2) continue;
      Node& above = trie.nodes_[open[open.size() - 2]];
      above.free_characters = std::max(above.free_characters, node.free_characters);
    }
  };
  absl::string_view last;
  for (const auto& [bytes, id] : tokens) {
    if (bytes.empty() || bytes.size() > kMaxTokenBytes) continue;
    size_t shared = 0;
    while (shared < std::min(last.size(), bytes.size()) && last[shared] == bytes[shared]) ++shared;
    close(shared);
    for (size_t i = shared; i < bytes.size(); ++i) {
      open.push_back(static_cast<uint32_t>(trie.nodes_.size()));
      trie.nodes_.push_back({0, static_cast<uint32_t>(trie.tokens_.size()), 0,
                             static_cast<uint8_t>(i + 1), static_cast<unsigned char>(bytes[i])});
    }
    trie.tokens_.push_back(id);
    Node& node = trie.nodes_[open.back()];
    node.tokens = static_cast<uint32_t>(trie.tokens_.size());
    node.free_characters = std::max(node.free_characters, FreeCharacters(bytes));
    if (bytes.size() == 1) trie.single_bytes_.set(static_cast<unsigned char>(bytes[0]));
    last = bytes;
  }
  close(0);
  return trie;
}

}  // namespace gantry
