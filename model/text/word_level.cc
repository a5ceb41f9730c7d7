#include "model/text/word_level.h"

#include "base/status_macros.h"

namespace gantry {

absl::StatusOr<std::unique_ptr<TokenModel>> WordLevel::Parse(const Json& model) {
  GANTRY_ASSIGN_OR_RETURN(Vocabulary vocabulary, ParseVocabulary(model));
  std::unique_ptr<WordLevel> words(new WordLevel(std::move(vocabulary)));
  GANTRY_ASSIGN_OR_RETURN(words->unk_id_, GetTokenId(model, "unk_token", words->vocabulary_));
  return words;
}

absl::Status WordLevel::Encode(absl::string_view piece, const IdSet* forbidden,
                               std::vector<int32_t>* ids) const {
  const int32_t id = FindAllowed(piece, forbidden);
  if (id < 0 && unk_id_ < 0) return NoTokenFor(piece);
  ids->push_back(id >= 0 ? id : unk_id_);
  return absl::OkStatus();
}

}  // namespace gantry
