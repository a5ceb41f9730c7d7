#include "model/text/flagged_text.h"

#include <algorithm>

namespace gantry {

FlaggedText FlaggedText::From(const MarkedText& marked) {
  FlaggedText flagged;
  flagged.text = marked.text;
  if (marked.user.empty()) return flagged;
  flagged.user.assign(marked.text.size(), 0);
  for (const MarkedText::Span& span : marked.user) {
    std::fill(flagged.user.begin() + span.begin, flagged.user.begin() + span.end, 1);
  }
  return flagged;
}

FlaggedText FlaggedText::Slice(size_t begin, size_t end) const {
  FlaggedText slice;
  slice.text = text.substr(begin, end - begin);
  if (!user.empty()) slice.user = user.substr(begin, end - begin);
  return slice;
}

void FlaggedText::Append(absl::string_view bytes, bool is_user) {
  if (is_user && user.empty()) user.assign(text.size(), 0);
  text.append(bytes.data(), bytes.size());
  if (!user.empty() || is_user) user.append(bytes.size(), is_user ? 1 : 0);
}

void FlaggedText::Append(const FlaggedText& other, size_t begin, size_t end) {
  if (!other.user.empty() && user.empty()) user.assign(text.size(), 0);
  text.append(other.text, begin, end - begin);
  if (!other.user.empty()) {
    user.append(other.user, begin, end - begin);
  } else if (!user.empty()) {
    user.append(end - begin, 0);
  }
}

}  // namespace gantry
