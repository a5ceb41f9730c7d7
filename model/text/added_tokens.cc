#include "model/text/added_tokens.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "model/text/characters.h"
#include "model/text/limits.h"

namespace gantry {

absl::Status AddedTokenFinder::Add(const AddedToken& token, const std::string& text) {
  if (text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("added token ", token.id, " \"", absl::CHexEscape(token.content),
                     "\" is empty", token.content.empty() ? "" : " once it is normalised"));
  }
  if (text.size() > kMaxAddedTokenBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("added token ", token.id, " has ", text.size(),
                                                     " bytes, at most ", kMaxAddedTokenBytes,
                                                     " are allowed"));
  }
  trie_.Insert(text, static_cast<int32_t>(tokens_.size()));
  tokens_.push_back({token.id, token.single_word, token.lstrip, token.rstrip});
  return absl::OkStatus();
}

AddedTokenFinder::Match AddedTokenFinder::LongestAt(const FlaggedText& text, size_t begin) const {
  Match longest = {nullptr, begin};
  Trie::Node node = Trie::kRoot;
  for (size_t pos = begin; pos < text.text.size() && !text.IsUser(pos); ++pos) {
    node = trie_.Step(node, static_cast<unsigned char>(text.text[pos]));
    if (node == Trie::kNowhere) break;
    if (const int32_t token = trie_.value(node); token >= 0) longest = {&tokens_[token], pos + 1};
  }
  return longest;
}

std::vector<AddedTokenFinder::Segment> AddedTokenFinder::Split(const FlaggedText& text) const {
  const absl::string_view view = text.text;
  std::vector<Segment> segments;
  size_t done = 0;  // everything before is in a segment
  for (size_t pos = 0; !empty() && pos < view.size();) {
    if (!trie_.StartsWithByte(static_cast<unsigned char>(view[pos]))) {
      ++pos;
      continue;
    }
    const Match match = LongestAt(text, pos);
    if (match.token == nullptr) {
      ++pos;
      continue;
    }
    size_t begin = pos;
    size_t end = match.end;
    pos = match.end;  // matches do not overlap, also those that are dropped here
    if (match.token->single_word && (EndsWithWordCharacter(view.substr(0, begin)) ||
                                     StartsWithWordCharacter(view.substr(end)))) {
      continue;
    }
    // White space that an earlier token took stays with that one, and is not looked through again.
    if (match.token->lstrip && begin > done) {
      begin -= TrailingSpace(view.substr(done, begin - done));
    }
    if (match.token->rstrip) {
      end = std::max(end, done);
      end += LeadingSpace(view.substr(end));
    }
    if (done < begin) segments.push_back({-1, done, begin});
    segments.push_back({match.token->id, begin, end});
    done = std::max(done, end);
  }
  if (done < view.size()) segments.push_back({-1, done, view.size()});
  return segments;
}

}  // namespace gantry
