#ifndef GANTRY_MODEL_TEXT_WORD_LEVEL_H_
#define GANTRY_MODEL_TEXT_WORD_LEVEL_H_

#include <memory>
#include <utility>
#include <vector>

#include "model/text/token_model.h"

namespace gantry {

// A token for each whole piece.
class WordLevel : public TokenModel {
 public:
  static absl::StatusOr<std::unique_ptr<TokenModel>> Parse(const Json& model);

  absl::Status Encode(absl::string_view piece, const IdSet* forbidden,
                      std::vector<int32_t>* ids) const override;

 private:
  explicit WordLevel(Vocabulary vocabulary) : TokenModel(std::move(vocabulary)) {}

  int32_t unk_id_ = -1;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_WORD_LEVEL_H_
