#ifndef GANTRY_MODEL_TEXT_PIECES_H_
#define GANTRY_MODEL_TEXT_PIECES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry {

// Text cut into the pieces that are tokenised apart. One buffer with cuts: a piece may be a single
// byte, and a string for each would take tens of times the text.
class Pieces {
 public:
  // `at_start`: the text begins where the whole input begins.
  explicit Pieces(bool at_start) : at_start_(at_start) {}
  Pieces(std::string text, bool at_start) : text_(std::move(text)), at_start_(at_start) {
    EndPiece();
  }

  size_t count() const { return ends_.size(); }
  absl::string_view piece(size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return absl::string_view(text_).substr(begin, ends_[i] - begin);
  }
  // Whether piece i begins where the whole input begins.
  bool IsFirst(size_t i) const { return i == 0 && at_start_; }
  size_t bytes() const { return text_.size(); }

  // Append to the piece that is being built, and end it. Empty pieces are dropped.
  void AppendText(absl::string_view text) { text_.append(text.data(), text.size()); }
  void EndPiece() {
    if (text_.size() > (ends_.empty() ? 0 : ends_.back())) {
      ends_.push_back(static_cast<uint32_t>(text_.size()));
    }
  }
  // The input's beginning is not in the first piece.
  void ClearAtStart() { at_start_ = false; }

 private:
  std::string text_;
  std::vector<uint32_t> ends_;
  bool at_start_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_PIECES_H_
