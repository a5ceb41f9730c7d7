#ifndef GANTRY_COORDINATOR_HTTP_TOOL_CALLS_H_
#define GANTRY_COORDINATOR_HTTP_TOOL_CALLS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry {

struct ToolCall {
  std::string name;
  std::string arguments;  // JSON of an object
};

// Finds calls in the text of a model whose template has told it to write them as
//
//   <tool_call>{"name": "f", "arguments": {...}}</tool_call>
//
// (Hermes, Qwen2.5 and those that follow them). What does not hold such JSON stays text. Text is
// held back only while it may belong to a call.
class ToolCallText {
 public:
  struct Piece {
    std::string text;  // before the calls
    std::vector<ToolCall> calls;
  };
  Piece Add(absl::string_view text);
  // The rest.
  Piece Finish();

 private:
  // Reads all of `held_` that is certain.
  void Read(bool finished, Piece* piece);
  std::string held_;
};

inline constexpr char kToolCallBegin[] = "<tool_call>";
inline constexpr char kToolCallEnd[] = "</tool_call>";

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_TOOL_CALLS_H_
