#include "model/text/split_behavior.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace gantry {

absl::StatusOr<SplitBehavior> ParseSplitBehavior(absl::string_view name) {
  constexpr std::pair<const char*, SplitBehavior> kNames[] = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  };
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "behavior: expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous, "
      "found \"",
      absl::CHexEscape(name), "\""));
}

void Splitter::Match(size_t begin, size_t end) {
  if (begin > done_) Segment(done_, begin, invert_);
  Segment(begin, end, !invert_);
  done_ = end;
}

void Splitter::Finish() {
  if (done_ < text_.size()) Segment(done_, text_.size(), invert_);
  out_->EndPiece();
}

void Splitter::Segment(size_t begin, size_t end, bool is_match) {
  bool joins_previous = false;
  switch (behavior_) {
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kMergedWithPrevious:
      joins_previous = is_match && !previous_match_;
      break;
    case SplitBehavior::kMergedWithNext:
      joins_previous = !is_match && previous_match_;
      break;
    case SplitBehavior::kContiguous:
      joins_previous = is_match == previous_match_;
      break;
  }
  if (!joins_previous) out_->EndPiece();
  if (behavior_ == SplitBehavior::kRemoved && is_match) {
    if (begin == 0 && end > 0) out_->ClearAtStart();
  } else {
    out_->AppendText(text_.substr(begin, end - begin));
  }
  previous_match_ = is_match;
}

}  // namespace gantry
