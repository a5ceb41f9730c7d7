#ifndef GANTRY_COORDINATOR_HTTP_OPENAI_RESPONSE_H_
#define GANTRY_COORDINATOR_HTTP_OPENAI_RESPONSE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/json.h"
#include "coordinator/http/openai_request.h"
#include "coordinator/http/tool_calls.h"
#include "model/text/tokenizer.h"
#include "proto/inference.pb.h"

namespace gantry {

// What all parts of an answer have in common.
struct AnswerHead {
  OpenAiApi api = OpenAiApi::kChat;
  std::string id;       // "chatcmpl-..." or "cmpl-..."
  int64_t created = 0;  // seconds since 1970
  std::string model;
};
// With a new id.
AnswerHead MakeAnswerHead(OpenAiApi api, absl::string_view model);
// "call_..."
std::string NewToolCallId();

// What came of a choice, all of it or what is new since the last chunk.
struct ChoicePart {
  int index = 0;
  std::string text;
  std::vector<v1::GeneratedToken> tokens;  // if log-probabilities are wanted
  std::vector<ToolCall> calls;
  int first_call = 0;         // index of calls[0] among the choice's
  int64_t text_offset = 0;    // of the first token in the choice's text, in characters
  std::string finish_reason;  // "stop", "length", "tool_calls"; empty: it goes on
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
};

// `logprobs`: they were asked for. `tokenizer` may be null.
Json WholeAnswer(const AnswerHead& head, const std::vector<ChoicePart>& choices, const Usage& usage,
                 bool logprobs, const Tokenizer* tokenizer);
// A chunk of a stream. `usage_follows`: chunks have "usage": null, as a last one has the usage.
Json ChunkJson(const AnswerHead& head, const ChoicePart& part, bool logprobs,
               const Tokenizer* tokenizer, bool usage_follows);
// The chunk that opens a choice of a chat.
Json RoleChunk(const AnswerHead& head, int index, bool usage_follows);
Json UsageChunk(const AnswerHead& head, const Usage& usage);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_OPENAI_RESPONSE_H_
