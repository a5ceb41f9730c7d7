#ifndef GANTRY_MODEL_TEXT_WORD_PIECE_H_
#define GANTRY_MODEL_TEXT_WORD_PIECE_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "model/text/token_model.h"
#include "model/text/trie.h"

namespace gantry {

// BERT's: the longest token at each place, those within a word with a prefix; a word that cannot be
// cut so is unknown as a whole. O(n * longest token).
class WordPiece : public TokenModel {
 public:
  static absl::StatusOr<std::unique_ptr<TokenModel>> Parse(const Json& model);

  absl::Status Encode(absl::string_view piece, const IdSet* forbidden,
                      std::vector<int32_t>* ids) const override;

 private:
  explicit WordPiece(Vocabulary vocabulary) : TokenModel(std::move(vocabulary)) {}
  // False, with `ids` as it was, for a word that cannot be cut.
  bool Cut(absl::string_view word, const IdSet* forbidden, std::vector<int32_t>* ids) const;

  int32_t unk_id_ = -1;
  int64_t max_characters_ = 100;
  Trie trie_;                              // of ids
  Trie::Node continuation_ = Trie::kRoot;  // behind the prefix; kNowhere when no token has it
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_WORD_PIECE_H_
