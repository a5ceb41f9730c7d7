#ifndef GANTRY_MODEL_TEXT_JINJA_FORMAT_SPEC_H_
#define GANTRY_MODEL_TEXT_JINJA_FORMAT_SPEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "model/text/jinja/runtime.h"

namespace gantry::jinja {

// How one value is written, for both ways of formatting.
struct FormatSpec {
  std::string fill = " ";  // one character
  char align = 0;          // < > ^ =, 0 for the type's own
  char sign = '-';         // + - or space
  bool alternate = false;  // #
  bool grouped = false;    // thousands
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

// RESOURCE_EXHAUSTED for a width or precision beyond what a chat template can mean.
absl::StatusOr<TextPtr> FormatValue(Runtime& runtime, const Value& value, const FormatSpec& spec);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_FORMAT_SPEC_H_
