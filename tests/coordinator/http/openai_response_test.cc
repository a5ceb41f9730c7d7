#include "coordinator/http/openai_response.h"

#include <limits>

#include "gmock/gmock.h"
#include "tests/coordinator/fake_tokenizer.h"

namespace gantry {
namespace {

AnswerHead Head(OpenAiApi api) {
  AnswerHead head = MakeAnswerHead(api, "m");
  EXPECT_EQ(head.id.substr(0, head.id.find('-')), api == OpenAiApi::kChat ? "chatcmpl" : "cmpl");
  head.id = "id";
  head.created = 7;
  return head;
}

v1::GeneratedToken Token(int32_t id, float logprob) {
  v1::GeneratedToken token;
  token.set_token_id(id);
  token.set_logprob(logprob);
  v1::TopLogprob* const top = token.add_top_logprobs();
  top->set_token_id(id + 1);
  top->set_logprob(logprob);
  return token;
}

ChoicePart Part() {
  ChoicePart part;
  part.text = "a";
  part.tokens = {Token('a', -0.5f)};
  part.finish_reason = "stop";
  return part;
}

TEST(OpenAiResponseTest, WholeChat) {
  const FakeTokenizer tokenizer;
  EXPECT_EQ(
      DumpJson(WholeAnswer(Head(OpenAiApi::kChat), {Part()}, {3, 1}, true, &tokenizer)),
      R"({"id":"id","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,)"
      R"("message":{"role":"assistant","content":"a","refusal":null},"logprobs":{"content":)"
      R"([{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"b","logprob":-0.5,)"
      R"("bytes":[98]}]}],"refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,)"
      R"("completion_tokens":1,"total_tokens":4}})");
}

TEST(OpenAiResponseTest, WholeCompletion) {
  const FakeTokenizer tokenizer;
  ChoicePart part = Part();
  part.tokens.push_back(Token('c', -std::numeric_limits<float>::infinity()));
  EXPECT_EQ(
      DumpJson(WholeAnswer(Head(OpenAiApi::kCompletions), {part}, {3, 2}, true, &tokenizer)),
      R"({"id":"id","object":"text_completion","created":7,"model":"m","choices":[{"index":0,)"
      R"("text":"a","logprobs":{"tokens":["a","c"],"token_logprobs":[-0.5,-9999.0],)"
      R"("top_logprobs":[{"b":-0.5},{"d":-9999.0}],"text_offset":[0,1]},"finish_reason":"stop"}],)"
      R"("usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})");
}

TEST(OpenAiResponseTest, ChunksOfAChat) {
  const AnswerHead head = Head(OpenAiApi::kChat);
  EXPECT_EQ(DumpJson(RoleChunk(head, 2, false)["choices"]),
            R"([{"index":2,"delta":{"role":"assistant","content":""},"logprobs":null,)"
            R"("finish_reason":null}])");
  ChoicePart part;
  part.text = "half \xe2\x82";
  EXPECT_EQ(DumpJson(ChunkJson(head, part, false, nullptr, true)),
            R"({"id":"id","object":"chat.completion.chunk","created":7,"model":"m","choices":)"
            "[{\"index\":0,\"delta\":{\"content\":\"half \xef\xbf\xbd\"},\"logprobs\":null,"
            R"("finish_reason":null}],"usage":null})");
  part.text = "";
  part.finish_reason = "length";
  EXPECT_EQ(DumpJson(ChunkJson(head, part, false, nullptr, false)["choices"][0]["delta"]), "{}");
  EXPECT_EQ(DumpJson(UsageChunk(head, {1, 2})["choices"]), "[]");
}

TEST(OpenAiResponseTest, CallsOfTools) {
  ChoicePart part;
  part.text = "\n";
  part.calls = {{"f", "{}"}};
  part.first_call = 1;
  const AnswerHead head = Head(OpenAiApi::kChat);
  const Json whole = WholeAnswer(head, {part}, {}, false, nullptr)["choices"][0]["message"];
  EXPECT_TRUE(whole["content"].is_null());
  EXPECT_EQ(DumpJson(whole["tool_calls"][0]["function"]), R"({"name":"f","arguments":"{}"})");
  const Json delta = ChunkJson(head, part, false, nullptr, false)["choices"][0]["delta"];
  EXPECT_EQ(delta["tool_calls"][0]["index"], 1);
  EXPECT_EQ(delta["tool_calls"][0]["type"], "function");
}

}  // namespace
}  // namespace gantry
