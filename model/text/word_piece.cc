#include "model/text/word_piece.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/limits.h"

namespace gantry {

absl::StatusOr<std::unique_ptr<TokenModel>> WordPiece::Parse(const Json& model) {
  GANTRY_ASSIGN_OR_RETURN(Vocabulary vocabulary, ParseVocabulary(model));
  std::unique_ptr<WordPiece> words(new WordPiece(std::move(vocabulary)));
  const Vocabulary& tokens = words->vocabulary_;
  GANTRY_ASSIGN_OR_RETURN(words->unk_id_, GetTokenId(model, "unk_token", tokens));
  GANTRY_ASSIGN_OR_RETURN(words->max_characters_,
                          GetIntOr(model, "max_input_chars_per_word", 0, INT32_MAX, 100));
  for (int32_t id = 0; id < tokens.size(); ++id) {
    const std::string* token = tokens.Token(id);
    if (token == nullptr || token->empty()) continue;
    if (token->size() > kMaxAddedTokenBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("vocab: expected tokens of at most ", kMaxAddedTokenBytes, " bytes, found ",
                       token->size(), " in \"", absl::CHexEscape(token->substr(0, 200)), "...\""));
    }
    words->trie_.Insert(*token, id);
  }
  GANTRY_ASSIGN_OR_RETURN(const std::string prefix,
                          GetStringOr(model, "continuing_subword_prefix", "##"));
  words->continuation_ = words->trie_.Walk(prefix);
  return words;
}

bool WordPiece::Cut(absl::string_view word, const IdSet* forbidden,
                    std::vector<int32_t>* ids) const {
  const size_t before = ids->size();
  for (size_t begin = 0; begin < word.size();) {
    int32_t longest = -1;
    size_t end = begin;
    Trie::Node node = begin == 0 ? Trie::kRoot : continuation_;
    for (size_t pos = begin; pos < word.size() && node != Trie::kNowhere; ++pos) {
      node = trie_.Step(node, static_cast<unsigned char>(word[pos]));
      if (node == Trie::kNowhere) break;
      const int32_t id = trie_.value(node);
      if (id < 0 || (forbidden != nullptr && forbidden->contains(id))) continue;
      longest = id;
      end = pos + 1;
    }
    if (longest < 0) {
      ids->resize(before);
      return false;
    }
    ids->push_back(longest);
    begin = end;
  }
  return true;
}

absl::Status WordPiece::Encode(absl::string_view piece, const IdSet* forbidden,
                               std::vector<int32_t>* ids) const {
  int64_t characters = 0;
  for (size_t pos = 0; pos < piece.size() && characters <= max_characters_; ++characters) {
    NextChar(piece, &pos);
  }
  if (characters <= max_characters_ && Cut(piece, forbidden, ids)) return absl::OkStatus();
  if (unk_id_ < 0) return NoTokenFor(piece);
  ids->push_back(unk_id_);
  return absl::OkStatus();
}

}  // namespace gantry
