#include "model/text/token_model.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/text/bpe.h"
#include "model/text/json_kind.h"
#include "model/text/unigram.h"
#include "model/text/word_level.h"
#include "model/text/word_piece.h"

namespace gantry {
namespace {

// Files from before the member existed have no "type".
absl::StatusOr<std::string> KindOf(const Json& model) {
  if (!model.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected an object, found ", model.type_name()));
  }
  if (FindMember(model, "type") == nullptr) {
    if (FindMember(model, "merges") != nullptr) return std::string("BPE");
    const Json* vocab = FindMember(model, "vocab");
    if (vocab != nullptr && vocab->is_array()) return std::string("Unigram");
  }
  return GetKind(model, "type");
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenModel>> TokenModel::Parse(const Json& model) {
  GANTRY_ASSIGN_OR_RETURN(const std::string kind, KindOf(model));
  if (kind == "BPE") return Bpe::Parse(model);
  if (kind == "Unigram") return Unigram::Parse(model);
  if (kind == "WordLevel") return WordLevel::Parse(model);
  if (kind == "WordPiece") return WordPiece::Parse(model);
  return UnsupportedKind("kind", kind, "BPE, Unigram, WordLevel, WordPiece");
}

absl::StatusOr<Vocabulary> ParseVocabulary(const Json& model) {
  const Json* vocab = FindMember(model, "vocab");
  if (vocab == nullptr || !vocab->is_object()) {
    return absl::InvalidArgumentError("vocab: expected an object of tokens and ids");
  }
  std::vector<std::pair<std::string, int64_t>> entries;
  entries.reserve(vocab->size());
  for (const auto& member : vocab->items()) {
    if (!member.value().is_number_integer()) {
      return absl::InvalidArgumentError(absl::StrCat("vocab: expected an integer for \"",
                                                     absl::CHexEscape(member.key()), "\", found ",
                                                     member.value().type_name()));
    }
    // Above the range of int64 an unsigned number wraps to a negative id, which is refused too.
    entries.emplace_back(member.key(), member.value().get<int64_t>());
  }
  return Vocabulary::Build(std::move(entries));
}

absl::StatusOr<int32_t> GetTokenId(const Json& model, absl::string_view key,
                                   const Vocabulary& vocabulary) {
  if (FindMember(model, key) == nullptr) return -1;
  GANTRY_ASSIGN_OR_RETURN(const std::string token, GetString(model, key));
  const int32_t id = vocabulary.Find(token);
  if (id < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, " \"", absl::CHexEscape(token.substr(0, 200)), "\" is not in vocab"));
  }
  return id;
}

std::vector<int32_t> ByteTokenIds(const Vocabulary& vocabulary) {
  std::vector<int32_t> ids;
  for (int byte = 0; byte < 256; ++byte) {
    ids.push_back(vocabulary.Find(absl::StrFormat("<0x%02X>", byte)));
  }
  return ids;
}

absl::Status NoTokenFor(absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("no token for \"",
                                                 absl::CHexEscape(text.substr(0, 200)),
                                                 "\", and the tokenizer has no unknown token"));
}

}  // namespace gantry
