#include "coordinator/http/openai_response.h"

#include <random>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "coordinator/http/logprobs_json.h"

namespace gantry {
namespace {

std::string RandomHex() {
  static thread_local std::mt19937_64 generator(std::random_device{}());
  return absl::StrCat(absl::Hex(generator(), absl::kZeroPad16),
                      absl::Hex(generator() & 0xffffffff, absl::kZeroPad8));
}

bool IsChat(const AnswerHead& head) { return head.api == OpenAiApi::kChat; }

Json HeadJson(const AnswerHead& head, bool chunk) {
  const char* const object = !IsChat(head) ? "text_completion"
                             : chunk       ? "chat.completion.chunk"
                                           : "chat.completion";
  return Json{
      {"id", head.id}, {"object", object}, {"created", head.created}, {"model", head.model}};
}

Json UsageJson(const Usage& usage) {
  return Json{{"prompt_tokens", usage.prompt_tokens},
              {"completion_tokens", usage.completion_tokens},
              {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

Json CallsJson(const ChoicePart& part, bool chunk) {
  Json calls = Json::array();
  for (size_t i = 0; i < part.calls.size(); ++i) {
    Json call = Json::object();
    if (chunk) call["index"] = part.first_call + i;
    call["id"] = NewToolCallId();
    call["type"] = "function";
    call["function"] = Json{{"name", part.calls[i].name}, {"arguments", part.calls[i].arguments}};
    calls.push_back(std::move(call));
  }
  return calls;
}

Json LogprobsOf(const AnswerHead& head, const ChoicePart& part, bool logprobs,
                const Tokenizer* tokenizer) {
  if (!logprobs) return Json(nullptr);
  return IsChat(head) ? ChatLogprobs(part.tokens, tokenizer)
                      : CompletionLogprobs(part.tokens, part.text_offset, tokenizer);
}

Json FinishReasonJson(const ChoicePart& part) {
  return part.finish_reason.empty() ? Json(nullptr) : Json(part.finish_reason);
}

Json MessageJson(const ChoicePart& choice) {
  // What stands around calls is layout.
  const bool no_text = !choice.calls.empty() && absl::StripAsciiWhitespace(choice.text).empty();
  Json message{{"role", "assistant"},
               {"content", no_text ? Json(nullptr) : Json(choice.text)},
               {"refusal", nullptr}};
  if (!choice.calls.empty()) message["tool_calls"] = CallsJson(choice, /*chunk=*/false);
  return message;
}

Json Chunk(const AnswerHead& head, Json choice, bool usage_follows) {
  Json json = HeadJson(head, /*chunk=*/true);
  json["choices"] = Json::array({std::move(choice)});
  if (usage_follows) json["usage"] = nullptr;
  return json;
}

}  // namespace

AnswerHead MakeAnswerHead(OpenAiApi api, absl::string_view model) {
  return {api, absl::StrCat(api == OpenAiApi::kChat ? "chatcmpl-" : "cmpl-", RandomHex()),
          absl::ToUnixSeconds(absl::Now()), std::string(model)};
}

std::string NewToolCallId() { return absl::StrCat("call_", RandomHex()); }

Json WholeAnswer(const AnswerHead& head, const std::vector<ChoicePart>& choices, const Usage& usage,
                 bool logprobs, const Tokenizer* tokenizer) {
  Json list = Json::array();
  for (const ChoicePart& part : choices) {
    Json choice{{"index", part.index}};
    if (IsChat(head)) {
      choice["message"] = MessageJson(part);
    } else {
      choice["text"] = part.text;
    }
    choice["logprobs"] = LogprobsOf(head, part, logprobs, tokenizer);
    choice["finish_reason"] = FinishReasonJson(part);
    list.push_back(std::move(choice));
  }
  Json json = HeadJson(head, /*chunk=*/false);
  json["choices"] = std::move(list);
  json["usage"] = UsageJson(usage);
  return json;
}

Json ChunkJson(const AnswerHead& head, const ChoicePart& part, bool logprobs,
               const Tokenizer* tokenizer, bool usage_follows) {
  Json choice{{"index", part.index}};
  if (IsChat(head)) {
    Json delta = Json::object();
    if (!part.text.empty() || !part.tokens.empty()) delta["content"] = part.text;
    if (!part.calls.empty()) delta["tool_calls"] = CallsJson(part, /*chunk=*/true);
    choice["delta"] = std::move(delta);
  } else {
    choice["text"] = part.text;
  }
  choice["logprobs"] = LogprobsOf(head, part, logprobs && !part.tokens.empty(), tokenizer);
  choice["finish_reason"] = FinishReasonJson(part);
  return Chunk(head, std::move(choice), usage_follows);
}

Json RoleChunk(const AnswerHead& head, int index, bool usage_follows) {
  return Chunk(head,
               Json{{"index", index},
                    {"delta", Json{{"role", "assistant"}, {"content", ""}}},
                    {"logprobs", nullptr},
                    {"finish_reason", nullptr}},
               usage_follows);
}

Json UsageChunk(const AnswerHead& head, const Usage& usage) {
  Json json = HeadJson(head, /*chunk=*/true);
  json["choices"] = Json::array();
  json["usage"] = UsageJson(usage);
  return json;
}

}  // namespace gantry
