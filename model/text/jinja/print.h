#ifndef GANTRY_MODEL_TEXT_JINJA_PRINT_H_
#define GANTRY_MODEL_TEXT_JINJA_PRINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "model/text/jinja/runtime.h"

namespace gantry::jinja {

// Python's str(value). Undefined is "".
absl::StatusOr<TextPtr> ToText(Runtime& runtime, const Value& value);
// Python's repr(value): strings quoted.
absl::Status AppendRepr(Runtime& runtime, const Value& value, int depth, TextBuilder* out);
// repr of a float: the shortest digits that give it back.
std::string FloatRepr(double value);

// json.dumps(value). INVALID_ARGUMENT for what JSON has no form for.
struct JsonFormat {
  bool ensure_ascii = false;
  bool pretty = false;
  std::string indent;  // of one level, when pretty
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
absl::StatusOr<TextPtr> ToJson(Runtime& runtime, const Value& value, const JsonFormat& format);

}  // namespace gantry::jinja

#endif  // GANTRY_MODEL_TEXT_JINJA_PRINT_H_
