#ifndef GANTRY_MODEL_GRAMMAR_TOKEN_TRIE_H_
#define GANTRY_MODEL_GRAMMAR_TOKEN_TRIE_H_

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "model/grammar/grammar.h"

namespace gantry {

// The tokens of a vocabulary by their bytes, in the order of a depth-first walk. Immutable.
class TokenTrie {
 public:
  static constexpr int kMaxTokenBytes = 255;
  static constexpr int32_t kNotFree = std::numeric_limits<int32_t>::max();

  // Tokens' bytes and ids, in any order. Those without bytes, or with more than kMaxTokenBytes, are
  // left out.
  static TokenTrie Build(std::vector<std::pair<std::string, int32_t>> tokens);

  struct Node {
    uint32_t end;     // the first node behind those below this one
    uint32_t tokens;  // the end of its tokens among all; they begin at the node before's
    // The characters of the longest token here or below, if all are characters that may stand in a
    // JSON string as they are; else kNotFree.
    int32_t free_characters;
    uint8_t depth;  // bytes up to here, from 1
    unsigned char byte;
  };
  absl::Span<const Node> nodes() const { return nodes_; }
  absl::Span<const int32_t> tokens(size_t node) const {
    const uint32_t begin = node == 0 ? 0 : nodes_[node - 1].tokens;
    return absl::MakeConstSpan(tokens_).subspan(begin, nodes_[node].tokens - begin);
  }
  // Bytes that are tokens by themselves.
  const ByteSet& single_bytes() const { return single_bytes_; }

 private:
  std::vector<Node> nodes_;
  std::vector<int32_t> tokens_;
  ByteSet single_bytes_;
};

// The characters of `bytes` if each may stand in a JSON string as it is, else TokenTrie::kNotFree.
int32_t FreeCharacters(absl::string_view bytes);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_TOKEN_TRIE_H_
