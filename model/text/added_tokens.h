#ifndef GANTRY_MODEL_TEXT_ADDED_TOKENS_H_
#define GANTRY_MODEL_TEXT_ADDED_TOKENS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/text/flagged_text.h"
#include "model/text/trie.h"

namespace gantry {

struct AddedToken {
  int32_t id = 0;
  std::string content;  // not empty
  bool single_word = false;
  bool lstrip = false;  // takes the white space before it
  bool rstrip = false;  // takes the white space behind it
  bool normalized = false;
  bool special = false;
};

// Finds tokens in text, leftmost first and the longest of those that begin there. Immutable.
class AddedTokenFinder {
 public:
  // Finds `token` wherever `text` (its content, perhaps normalised) stands. INVALID_ARGUMENT for
  // empty text, RESOURCE_EXHAUSTED above kMaxAddedTokenBytes. Of two equal texts the first counts.
  absl::Status Add(const AddedToken& token, const std::string& text);
  bool empty() const { return tokens_.empty(); }

  struct Segment {
    int32_t id;  // of the token, -1 for text between tokens
    size_t begin;
    size_t end;
  };
  // The text in order as tokens and what is between them; segments of text are not empty. A match
  // that would touch a user's byte is none; the white space that a match takes may be a user's.
  std::vector<Segment> Split(const FlaggedText& text) const;

 private:
  struct Token {
    int32_t id;
    bool single_word;
    bool lstrip;
    bool rstrip;
  };
  struct Match {
    const Token* token;  // null: none
    size_t end;
  };
  Match LongestAt(const FlaggedText& text, size_t begin) const;

  std::vector<Token> tokens_;
  Trie trie_;  // of indices into tokens_
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_ADDED_TOKENS_H_
