#ifndef GANTRY_MODEL_TEXT_SPLIT_BEHAVIOR_H_
#define GANTRY_MODEL_TEXT_SPLIT_BEHAVIOR_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/text/pieces.h"

namespace gantry {

// What becomes of a match when text is cut at it. For "a-b--c" and the matches "-":
enum class SplitBehavior {
  kRemoved,             // a b c
  kIsolated,            // a - b - - c
  kMergedWithPrevious,  // a- b- - c
  kMergedWithNext,      // a -b - -c
  kContiguous,          // a - b -- c
};

// "Removed", "Isolated", ... as tokenizer.json writes them.
absl::StatusOr<SplitBehavior> ParseSplitBehavior(absl::string_view name);

// Cuts one text, given its matches in order, into pieces appended to `out`.
class Splitter {
 public:
  // `invert`: what lies between the matches counts as match, and the other way round.
  Splitter(absl::string_view text, SplitBehavior behavior, bool invert, Pieces* out)
      : text_(text), behavior_(behavior), invert_(invert), out_(out) {}
  void Match(size_t begin, size_t end);
  void Finish();

 private:
  void Segment(size_t begin, size_t end, bool is_match);

  const absl::string_view text_;
  const SplitBehavior behavior_;
  const bool invert_;
  Pieces* const out_;
  size_t done_ = 0;
  bool previous_match_ = false;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_SPLIT_BEHAVIOR_H_
