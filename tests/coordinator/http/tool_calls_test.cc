#include "coordinator/http/tool_calls.h"

#include "gmock/gmock.h"

namespace gantry {
namespace {

constexpr char kCall[] =
    "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": [1, 2]}}\n</tool_call>";

// All pieces of a text that comes in parts of `step` bytes.
ToolCallText::Piece Split(absl::string_view text, size_t step) {
  ToolCallText calls;
  ToolCallText::Piece all;
  const auto add = [&all](ToolCallText::Piece piece) {
    all.text += piece.text;
    for (ToolCall& call : piece.calls) all.calls.push_back(std::move(call));
  };
  for (size_t at = 0; at < text.size(); at += step) add(calls.Add(text.substr(at, step)));
  add(calls.Finish());
  return all;
}

TEST(ToolCallTextTest, FindsCallsHoweverTheTextIsCut) {
  const std::string text = std::string("Let me see.\n") + kCall + "\n" + kCall + "<tool";
  for (size_t step = 1; step <= text.size(); ++step) {
    const ToolCallText::Piece all = Split(text, step);
    EXPECT_EQ(all.text, "Let me see.\n\n<tool");
    ASSERT_EQ(all.calls.size(), 2);
    EXPECT_EQ(all.calls[1].name, "add");
    EXPECT_EQ(all.calls[1].arguments, "{\"a\":[1,2]}");
  }
}

TEST(ToolCallTextTest, WhatIsNoCallStaysText) {
  for (const absl::string_view text :
       {"plain", "a < b", "<tool_call>{\"name\":\"f\"", "<tool_call>not JSON</tool_call> after",
        "<tool_call>{\"name\":1}</tool_call>", "<tool_call>[]</tool_call>",
        "<tool_call>{\"name\":\"\"}</tool_call>",
        "<tool_call>{\"name\":\"f\",\"arguments\":\"text\"}</tool_call>"}) {
    for (size_t step : {size_t{1}, size_t{5}, text.size()}) {
      EXPECT_EQ(Split(text, step).text, text);
      EXPECT_TRUE(Split(text, step).calls.empty());
    }
  }
  // Deep JSON is no call, and no deep recursion.
  const std::string deep =
      "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":" + std::string(100'000, '[');
  EXPECT_TRUE(Split(deep + "</tool_call>", 1 << 20).calls.empty());
}

TEST(ToolCallTextTest, TextIsHeldBackOnlyWhileItMayBeACall) {
  ToolCallText calls;
  EXPECT_EQ(calls.Add("a <tool").text, "a ");
  EXPECT_EQ(calls.Add("box").text, "<toolbox");
  EXPECT_EQ(calls.Add(" <").text, " ");
  EXPECT_EQ(calls.Add("tool_call>{\"name\":\"f\"}</tool_call").text, "");
  const ToolCallText::Piece piece = calls.Add("> b");
  EXPECT_EQ(piece.text, " b");
  ASSERT_EQ(piece.calls.size(), 1);
  EXPECT_EQ(piece.calls[0].arguments, "{}");
}

}  // namespace
}  // namespace gantry
