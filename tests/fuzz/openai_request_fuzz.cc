// The body of an HTTP request to either of OpenAI's APIs. What the parser accepts goes through the
// engine's checks, as it would in the coordinator.

#include <cstdint>
#include <cstdlib>

#include "coordinator/http/http_error.h"
#include "coordinator/http/openai_request.h"
#include "coordinator/request.h"
#include "model/text/chat_template.h"

namespace gantry {
namespace {

constexpr char kTemplate[] =
    "{{ tools | tojson }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ m.name }}"
    "{{ m.tool_calls | tojson }}{% endfor %}";

void Check(OpenAiApi api, absl::string_view body) {
  static const ChatTemplate* const chat_template =
      ChatTemplate::Parse(kTemplate, Json::object()).value().release();
  const absl::StatusOr<OpenAiRequest> parsed = ParseOpenAiRequest(api, body);
  if (!parsed.ok()) {
    if (ToHttpError(parsed.status()).status != 400) std::abort();
    return;
  }
  const int choices = parsed->prompts.size() * parsed->n;
  if (choices < 1 || choices > kMaxChoices) std::abort();
  RequestContext context;
  context.vocab_size = 1000;
  context.context = 100;
  context.chat_template = chat_template;
  for (const v1::GenerateRequest& prompt : parsed->prompts) {
    const absl::StatusOr<Request> request = CheckGenerate(prompt, context, 1);
    if (!request.ok() &&
        ToHttpError(NameFields(api, request.status(), parsed->constraint)).status != 400) {
      std::abort();
    }
    if (prompt.has_chat()) (void)RenderChat(prompt.chat(), context);
  }
}

}  // namespace
}  // namespace gantry

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view body(reinterpret_cast<const char*>(data), size);
  gantry::Check(gantry::OpenAiApi::kChat, body);
  gantry::Check(gantry::OpenAiApi::kCompletions, body);
  return 0;
}
