#ifndef GANTRY_MODEL_TEXT_FLAGGED_TEXT_H_
#define GANTRY_MODEL_TEXT_FLAGGED_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "model/text/marked_text.h"

namespace gantry {

// Text with a mark at each byte that a user typed: MarkedText in the form that normalizers can
// rewrite.
struct FlaggedText {
  static FlaggedText From(const MarkedText& marked);

  bool IsUser(size_t position) const { return !user.empty() && user[position] != 0; }
  FlaggedText Slice(size_t begin, size_t end) const;
  // `bytes` of which all are marked as `is_user` says. Keeps no marks where there have been none.
  void Append(absl::string_view bytes, bool is_user);
  void Append(const FlaggedText& other, size_t begin, size_t end);

  std::string text;
  std::string user;  // a byte (0 or 1) for each of `text`, or empty when no byte is a user's
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_FLAGGED_TEXT_H_
