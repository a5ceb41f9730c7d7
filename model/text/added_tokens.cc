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
  first_bytes_.set(static_cast<unsigned char>(text[0]));
  uint64_t node = 0;
  for (const unsigned char byte : text) {
    const auto [edge, is_new] = edges_.try_emplace(node << 8 | byte, token_at_node_.size());
    if (is_new) token_at_node_.push_back(-1);
    node = edge->second;
  }
  if (token_at_node_[node] < 0) {
    token_at_node_[node] = static_cast<int32_t>(tokens_.size());
    tokens_.push_back({token.id, token.single_word, token.lstrip, token.rstrip});
  }
  return absl::OkStatus();
}

AddedTokenFinder::Match AddedTokenFinder::LongestAt(const FlaggedText& text, size_t begin) const {
  Match longest = {nullptr, begin};
  uint64_t node = 0;
  for (size_t pos = begin; pos < text.text.size() && !text.IsUser(pos); ++pos) {
    const auto edge = edges_.find(node << 8 | static_cast<unsigned char>(text.text[pos]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (const int32_t token = token_at_node_[node]; token >= 0) {
      longest = {&tokens_[token], pos + 1};
    }
  }
  return longest;
}

std::vector<AddedTokenFinder::Segment> AddedTokenFinder::Split(const FlaggedText& text) const {
  const absl::string_view view = text.text;
  std::vector<Segment> segments;
  size_t done = 0;  // everything before is in a segment
  for (size_t pos = 0; !empty() && pos < view.size();) {
    if (!first_bytes_[static_cast<unsigned char>(view[pos])]) {
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
