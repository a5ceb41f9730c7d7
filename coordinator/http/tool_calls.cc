#include "coordinator/http/tool_calls.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "base/json.h"

namespace gantry {
namespace {

constexpr absl::string_view kBegin = kToolCallBegin;
constexpr absl::string_view kEnd = kToolCallEnd;
constexpr int kMaxDepth = 32;

std::optional<ToolCall> ParseCall(absl::string_view text) {
  const absl::StatusOr<Json> json = ParseJson(text, "a call", {text.size(), kMaxDepth});
  if (!json.ok()) return std::nullopt;
  absl::StatusOr<std::string> name = GetString(*json, "name");
  const Json* arguments = FindMember(*json, "arguments");
  if (!name.ok() || name->empty() || (arguments != nullptr && !arguments->is_object())) {
    return std::nullopt;
  }
  return ToolCall{*std::move(name), arguments == nullptr ? "{}" : DumpJson(*arguments)};
}

// How many of the last bytes of `text` could be the first of kBegin.
size_t PartOfBegin(absl::string_view text) {
  for (size_t n = std::min(text.size(), kBegin.size() - 1); n > 0; --n) {
    if (absl::StartsWith(kBegin, text.substr(text.size() - n))) return n;
  }
  return 0;
}

}  // namespace

ToolCallText::Piece ToolCallText::Add(absl::string_view text) {
  held_.append(text.data(), text.size());
  Piece piece;
  Read(/*finished=*/false, &piece);
  return piece;
}

ToolCallText::Piece ToolCallText::Finish() {
  Piece piece;
  Read(/*finished=*/true, &piece);
  return piece;
}

void ToolCallText::Read(bool finished, Piece* piece) {
  absl::string_view rest = held_;
  const auto take_text = [&](size_t bytes) {
    piece->text.append(rest.data(), bytes);
    rest.remove_prefix(bytes);
  };
  while (true) {
    const size_t begin = rest.find(kBegin);
    if (begin == absl::string_view::npos) {
      take_text(rest.size() - (finished ? 0 : PartOfBegin(rest)));
      break;
    }
    take_text(begin);
    const size_t end = rest.find(kEnd, kBegin.size());
    if (end == absl::string_view::npos) {
      if (finished) take_text(rest.size());
      break;
    }
    std::optional<ToolCall> call = ParseCall(rest.substr(kBegin.size(), end - kBegin.size()));
    if (call.has_value()) {
      piece->calls.push_back(*std::move(call));
      rest.remove_prefix(end + kEnd.size());
    } else {
      take_text(end + kEnd.size());
    }
  }
  held_ = std::string(rest);
}

}  // namespace gantry
