#include "model/text/marked_text_check.h"

#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "model/text/limits.h"

namespace gantry {

absl::Status CheckMarkedText(const MarkedText& text) {
  if (text.text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(absl::StrCat("text of ", text.text.size(), " bytes, at most ",
                                                   kMaxTextBytes, " are allowed"));
  }
  if (!IsValidUtf8(text.text)) return absl::InvalidArgumentError("text is not UTF-8");
  size_t done = 0;
  for (const MarkedText::Span& span : text.user) {
    if (span.begin < done || span.end <= span.begin || span.end > text.text.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "user span [", span.begin, ", ", span.end, ") after byte ", done, " in a text of ",
          text.text.size(), " bytes: spans are ascending, disjoint and within the text"));
    }
    done = span.end;
  }
  return absl::OkStatus();
}

}  // namespace gantry
