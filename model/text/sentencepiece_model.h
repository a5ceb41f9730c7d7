#ifndef GANTRY_MODEL_TEXT_SENTENCEPIECE_MODEL_H_
#define GANTRY_MODEL_TEXT_SENTENCEPIECE_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// What a tokenizer.model says (sentencepiece_model.proto of sentencepiece), read here and not by
// the library, whose 0.1.97 trusts a file's lengths and tables.
struct SentencePieceModel {
  enum Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  struct Piece {
    std::string text;
    Type type = kNormal;
  };

  // INVALID_ARGUMENT for bytes that are no such model; UNIMPLEMENTED for one that normalises text
  // by a table, which the library reads unchecked.
  static absl::StatusOr<SentencePieceModel> Parse(absl::string_view bytes);

  std::vector<Piece> pieces;  // by id
  bool add_dummy_prefix = true;
  // The model for the library, with nothing in it but pieces, trainer and normalizer options.
  // User-defined pieces are control pieces in it: they are found in text outside the library.
  std::string sanitized;
  // The same without the space that encoding puts first.
  std::string sanitized_without_prefix;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_SENTENCEPIECE_MODEL_H_
