#ifndef GANTRY_MODEL_TEXT_MARKED_TEXT_H_
#define GANTRY_MODEL_TEXT_MARKED_TEXT_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace gantry {

// Text that remembers which bytes of it a user typed. Special tokens are recognised only in the
// rest, so that nobody ends a turn or starts a system message by typing "<|im_end|>".
struct MarkedText {
  struct Span {
    size_t begin = 0;  // bytes
    size_t end = 0;
    bool operator==(const Span&) const = default;
  };
  MarkedText() = default;
  explicit MarkedText(std::string trusted) : text(std::move(trusted)) {}

  std::string text;
  std::vector<Span> user;  // ascending, disjoint, not empty
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_MARKED_TEXT_H_
