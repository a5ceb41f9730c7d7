#ifndef GANTRY_MODEL_GRAMMAR_TOKEN_VOCABULARY_H_
#define GANTRY_MODEL_GRAMMAR_TOKEN_VOCABULARY_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/grammar/token_trie.h"
#include "model/text/tokenizer.h"

namespace gantry {

// A set of token ids: bit id % 8 of byte id / 8.
using TokenMask = std::string;
inline void SetToken(int32_t id, TokenMask* mask) {
  (*mask)[id / 8] = static_cast<char>((*mask)[id / 8] | 1 << (id % 8));
}
inline bool HasToken(const TokenMask& mask, int32_t id) { return (mask[id / 8] >> (id % 8)) & 1; }

// What a grammar has to know of a model's tokens. Special tokens and end tokens have no bytes here,
// and the latter may only follow where a text may end. Immutable.
class TokenVocabulary {
 public:
  // `vocab_size`: ids that the model can choose. FAILED_PRECONDITION without an end token or
  // without tokens for the bytes of ASCII; UNIMPLEMENTED for a tokenizer whose tokens' bytes depend
  // on their neighbours.
  static absl::StatusOr<std::shared_ptr<const TokenVocabulary>> Create(
      const Tokenizer& tokenizer, int32_t vocab_size, absl::Span<const int32_t> end_tokens);

  // Of a text's first token, or of a later one: where a space is put before a text to encode it,
  // the first token of a text is decoded without it.
  const TokenTrie& trie(bool first) const { return first && first_differs_ ? first_ : later_; }
  // Empty for a token that may never be chosen.
  absl::string_view bytes(int32_t id, bool first) const {
    const std::vector<std::string>& bytes = first && first_differs_ ? first_bytes_ : bytes_;
    return id >= 0 && id < bytes.size() ? bytes[id] : absl::string_view();
  }
  // The bytes of which a grammar's texts may consist: those with a token of their own, so that any
  // beginning of a text can be gone on with.
  const ByteSet& usable_bytes() const { return later_.single_bytes(); }
  size_t mask_bytes() const { return mask_bytes_; }
  absl::Span<const int32_t> end_tokens() const { return end_tokens_; }

  // Tokens, not as the first, of 1 to 1 << i characters, all of them good in a JSON string and of
  // usable bytes.
  static constexpr int kFreeSets = 7;
  const TokenMask& free_tokens(int i) const { return free_tokens_[i]; }

 private:
  TokenVocabulary() = default;
  bool IsUsable(absl::string_view bytes) const;

  std::vector<std::string> bytes_;  // by id
  std::vector<std::string> first_bytes_;
  bool first_differs_ = false;
  TokenTrie later_;
  TokenTrie first_;
  std::vector<int32_t> end_tokens_;
  size_t mask_bytes_ = 0;
  std::array<TokenMask, kFreeSets> free_tokens_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_TOKEN_VOCABULARY_H_
