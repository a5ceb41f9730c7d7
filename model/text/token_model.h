#ifndef GANTRY_MODEL_TEXT_TOKEN_MODEL_H_
#define GANTRY_MODEL_TEXT_TOKEN_MODEL_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "model/text/vocabulary.h"

namespace gantry {

// The "model" of a tokenizer.json: what makes tokens of a piece of text. Immutable and thread-safe.
class TokenModel {
 public:
  virtual ~TokenModel() = default;

  // A BPE, Unigram, WordLevel or WordPiece. UNIMPLEMENTED for another kind and for options that
  // change the ids and are not supported.
  static absl::StatusOr<std::unique_ptr<TokenModel>> Parse(const Json& model);

  // Ids that a text may not become.
  using IdSet = absl::flat_hash_set<int32_t>;

  // Appends the ids of one piece of well-formed UTF-8, none of which is in `forbidden` (null: all
  // are allowed) unless it is the unknown token's. INVALID_ARGUMENT for text that has no token
  // where the model has no unknown token and the `tokenizers` library fails, too.
  virtual absl::Status Encode(absl::string_view piece, const IdSet* forbidden,
                              std::vector<int32_t>* ids) const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }

 protected:
  explicit TokenModel(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}

  // The id of a token that may be used, or -1.
  int32_t FindAllowed(absl::string_view token, const IdSet* forbidden) const {
    const int32_t id = vocabulary_.Find(token);
    return forbidden != nullptr && forbidden->contains(id) ? -1 : id;
  }

  const Vocabulary vocabulary_;
};

// The object "vocab" of tokens and ids.
absl::StatusOr<Vocabulary> ParseVocabulary(const Json& model);

// The id of the member `key`, a token; -1 when it is absent or null. INVALID_ARGUMENT for a token
// that is not in the vocabulary.
absl::StatusOr<int32_t> GetTokenId(const Json& model, absl::string_view key,
                                   const Vocabulary& vocabulary);

// The ids of "<0x00>" to "<0xFF>", -1 for those that are not in the vocabulary.
std::vector<int32_t> ByteTokenIds(const Vocabulary& vocabulary);

// Text that has no token, in a model without an unknown token.
absl::Status NoTokenFor(absl::string_view text);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_TOKEN_MODEL_H_
