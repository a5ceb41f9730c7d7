#include "coordinator/stop_strings.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace gantry {

std::string StopStrings::Add(absl::string_view text, bool may_stop) {
  if (stopped_) return "";
  const size_t before = held_.size();
  absl::StrAppend(&held_, text);
  size_t first = std::string::npos;
  for (const std::string& string : strings_) {
    if (!may_stop) break;
    // It ends in `text`: one that ended before was not to stop.
    const size_t from = before + 1 > string.size() ? before + 1 - string.size() : 0;
    first = std::min(first, held_.find(string, from));
  }
  if (first != std::string::npos) {
    stopped_ = true;
    held_.resize(first);
    return std::exchange(held_, "");
  }
  // The longest end of the text that begins a string stays.
  size_t keep = 0;
  for (const std::string& string : strings_) {
    size_t length = std::min(string.size() - 1, held_.size());
    while (length > keep &&
           !absl::StartsWith(string, absl::string_view(held_).substr(held_.size() - length))) {
      --length;
    }
    keep = std::max(keep, length);
  }
  std::string certain = held_.substr(0, held_.size() - keep);
  held_.erase(0, certain.size());
  return certain;
}

std::string StopStrings::Finish() { return std::exchange(held_, ""); }

}  // namespace gantry
