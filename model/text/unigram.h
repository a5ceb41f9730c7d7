#ifndef GANTRY_MODEL_TEXT_UNIGRAM_H_
#define GANTRY_MODEL_TEXT_UNIGRAM_H_

#include <memory>
#include <utility>
#include <vector>

#include "model/text/token_model.h"
#include "model/text/trie.h"

namespace gantry {

// The tokens of the greatest sum of log-probabilities (Kudo 2018), as the `tokenizers` library's
// Unigram and sentencepiece find them: characters without a token of their own count as unknown,
// ten below the lowest score, and neighbours of them are one. O(n * longest token).
class Unigram : public TokenModel {
 public:
  static absl::StatusOr<std::unique_ptr<TokenModel>> Parse(const Json& model);

  absl::Status Encode(absl::string_view piece, const IdSet* forbidden,
                      std::vector<int32_t>* ids) const override;

 private:
  Unigram(Vocabulary vocabulary, std::vector<double> scores);
  absl::Status FindBestPath(absl::string_view piece, const IdSet* forbidden,
                            std::vector<int32_t>* best) const;
  // The ids of a run of characters of which none has a token.
  void AppendUnknown(absl::string_view run, const IdSet* forbidden,
                     std::vector<int32_t>* ids) const;

  const std::vector<double> scores_;  // by id
  double unknown_score_ = 0;
  int32_t unk_id_ = -1;
  std::vector<int32_t> byte_ids_;  // empty without byte_fallback
  Trie trie_;                      // of ids
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_UNIGRAM_H_
