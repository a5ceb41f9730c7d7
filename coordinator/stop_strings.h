#ifndef GANTRY_COORDINATOR_STOP_STRINGS_H_
#define GANTRY_COORDINATOR_STOP_STRINGS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry {

// Finds the first of several strings in a stream of text. Text that could still turn out to be the
// beginning of one is held back.
class StopStrings {
 public:
  // None of `strings` is empty.
  explicit StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {}

  // The text that is now certain to come before any of the strings. Nothing once stopped(). Unless
  // `may_stop`, strings that end in `text` are as any other text.
  std::string Add(absl::string_view text, bool may_stop = true);
  // What is held back, at the end of the text.
  std::string Finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_STOP_STRINGS_H_
