#include "coordinator/request.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "coordinator/sampling.h"

namespace gantry {
namespace {

template <typename Found>
absl::Status Invalid(absl::string_view field, absl::string_view expected, const Found& found) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected ", expected, ", found ", found));
}

absl::StatusOr<std::vector<int32_t>> Prompt(const v1::GenerateRequest& request,
                                            const RequestContext& context) {
  switch (request.input_case()) {
    case v1::GenerateRequest::kTokenIds: {
      std::vector<int32_t> ids(request.token_ids().ids().begin(), request.token_ids().ids().end());
      GANTRY_RETURN_IF_ERROR(CheckTokenIds(ids, context.vocab_size));
      return ids;
    }
    case v1::GenerateRequest::kPrompt:
      return Encode(MarkedText(request.prompt()),
                    !request.has_add_special_tokens() || request.add_special_tokens(), context);
    case v1::GenerateRequest::kChat: {
      GANTRY_ASSIGN_OR_RETURN(const MarkedText text, RenderChat(request.chat(), context));
      // The template writes its own.
      return Encode(text, /*add_special_tokens=*/false, context);
    }
    case v1::GenerateRequest::INPUT_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("input: expected one of prompt, chat and token_ids");
}

absl::StatusOr<std::string> Id(const v1::GenerateRequest& request, uint64_t random) {
  const std::string& id = request.request_id();
  if (!id.empty() && !IsRequestId(id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("request_id: expected at most ", kMaxIdBytes,
                     " printable ASCII characters without spaces, found ", id.size(), " bytes"));
  }
  return id.empty() ? RequestIdOf(random) : id;
}

absl::Status CheckResumeFrom(const v1::GenerateRequest& request) {
  if (!request.has_resume_from()) return absl::OkStatus();
  if (request.request_id().empty()) {
    return absl::InvalidArgumentError(
        "resume_from: expected the request_id of the request that is to go on, found none");
  }
  if (request.resume_from() >= 0) return absl::OkStatus();
  return Invalid("resume_from", "0 or more", request.resume_from());
}

absl::Status CheckTopLogprobs(int32_t top_logprobs) {
  if (top_logprobs >= 0 && top_logprobs <= kMaxTopLogprobs) return absl::OkStatus();
  return Invalid("top_logprobs", absl::StrCat("0 to ", kMaxTopLogprobs), top_logprobs);
}

absl::Status CheckStop(const v1::GenerateRequest& request, const RequestContext& context) {
  if (request.stop_size() > kMaxStopStrings) {
    return Invalid("stop", absl::StrCat("at most ", kMaxStopStrings, " strings"),
                   request.stop_size());
  }
  for (const std::string& stop : request.stop()) {
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      return Invalid("stop", absl::StrCat("strings of 1 to ", kMaxStopBytes, " bytes"),
                     absl::StrCat("one of ", stop.size()));
    }
    if (!IsValidUtf8(stop)) return absl::InvalidArgumentError("stop: expected UTF-8");
  }
  if (request.stop_size() > 0 && context.tokenizer == nullptr) {
    return absl::FailedPreconditionError("stop: the model has no tokenizer, so there is no text");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const TokenConstraint>> Constraint(
    const v1::GenerateRequest& request, const RequestContext& context) {
  if (!HasConstraint(request)) return nullptr;
  // Either would ask for tokens where the grammar has nothing but the end.
  if (request.min_new_tokens() > 0) {
    return Invalid("min_new_tokens", "none beside json_schema, regex or json_object",
                   request.min_new_tokens());
  }
  if (request.ignore_eos()) {
    return absl::InvalidArgumentError(
        "ignore_eos: expected false beside json_schema, regex or json_object");
  }
  if (context.constraints == nullptr) {
    return absl::FailedPreconditionError("json_schema, regex, json_object: not served");
  }
  return context.constraints->Compile(request);
}

absl::StatusOr<Json> ParseList(absl::string_view text, absl::string_view field) {
  absl::StatusOr<Json> json = ParseJson(text, field, {kMaxToolBytes, kMaxToolDepth});
  if (!json.ok()) return Annotate(json.status(), field);
  if (!json->is_array()) return Invalid(field, "a list", json->type_name());
  return json;
}

absl::StatusOr<ChatMessage> CheckMessage(const v1::ChatMessage& message,
                                         const ChatTemplate& chat_template) {
  if (message.role().empty() || message.role().size() > kMaxRoleBytes) {
    return Invalid("chat.messages.role",
                   absl::StrCat("1 to ", kMaxRoleBytes, " bytes, such as \"user\""),
                   absl::StrCat(message.role().size(), " bytes"));
  }
  for (const std::string* text :
       {&message.role(), &message.content(), &message.name(), &message.tool_call_id()}) {
    if (!IsValidUtf8(*text)) return absl::InvalidArgumentError("chat.messages: expected UTF-8");
  }
  // A template that knows no tools would silently leave out what they said.
  const bool tools = message.role() == "tool" || !message.tool_calls_json().empty();
  if (tools && !chat_template.Mentions("tool")) {
    return absl::InvalidArgumentError(
        "chat.messages: expected no calls of tools and none of their results, since the model's "
        "chat template has no use for them");
  }
  ChatMessage checked{message.role(), message.content(), message.name(), message.tool_call_id()};
  if (!message.tool_calls_json().empty()) {
    GANTRY_ASSIGN_OR_RETURN(checked.tool_calls,
                            ParseList(message.tool_calls_json(), "chat.messages.tool_calls"));
  }
  return checked;
}

}  // namespace

absl::Status CheckTokenIds(absl::Span<const int32_t> ids, int64_t vocab_size) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab_size) {
      return Invalid(absl::StrCat("token_ids[", i, "]"),
                     absl::StrCat("an id from 0 to ", vocab_size - 1), ids[i]);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<MarkedText> RenderChat(const v1::Chat& chat, const RequestContext& context) {
  if (context.chat_template == nullptr) {
    return absl::FailedPreconditionError(
        "chat: the model has no chat template; send prompt or token_ids");
  }
  if (chat.messages_size() == 0 || chat.messages_size() > kMaxChatMessages) {
    return Invalid("chat.messages", absl::StrCat("1 to ", kMaxChatMessages, " messages"),
                   chat.messages_size());
  }
  std::vector<ChatMessage> messages;
  for (const v1::ChatMessage& message : chat.messages()) {
    GANTRY_ASSIGN_OR_RETURN(ChatMessage checked, CheckMessage(message, *context.chat_template));
    messages.push_back(std::move(checked));
  }
  ChatTemplate::Options options;
  if (!chat.tools_json().empty()) {
    if (!context.chat_template->Mentions("tools")) {
      return absl::InvalidArgumentError(
          "tools: expected none, since the model's chat template has no use for them");
    }
    GANTRY_ASSIGN_OR_RETURN(options.tools, ParseList(chat.tools_json(), "tools"));
  }
  absl::StatusOr<MarkedText> text = context.chat_template->Render(messages, options);
  if (!text.ok()) return Annotate(text.status(), "chat");
  return text;
}

absl::StatusOr<std::vector<int32_t>> Encode(const MarkedText& text, bool add_special_tokens,
                                            const RequestContext& context) {
  if (context.tokenizer == nullptr) {
    return absl::FailedPreconditionError("prompt: the model has no tokenizer; send token_ids");
  }
  if (!IsValidUtf8(text.text)) return absl::InvalidArgumentError("prompt: expected UTF-8");
  absl::StatusOr<std::vector<int32_t>> ids = context.tokenizer->Encode(text, add_special_tokens);
  if (!ids.ok()) return Annotate(ids.status(), "prompt");
  for (int32_t id : *ids) {
    if (id < 0 || id >= context.vocab_size) {
      return absl::FailedPreconditionError(absl::StrCat(
          "prompt: the tokenizer gives token ", id, ", and the model's vocabulary has ",
          context.vocab_size, "; their files do not belong together"));
    }
  }
  return ids;
}

absl::StatusOr<Request> CheckGenerate(const v1::GenerateRequest& request,
                                      const RequestContext& context, uint64_t random_seed) {
  // What is cheap to refuse comes before the tokenizer's work.
  Request checked;
  GANTRY_ASSIGN_OR_RETURN(checked.id, Id(request, random_seed));
  GANTRY_RETURN_IF_ERROR(CheckResumeFrom(request));
  GANTRY_ASSIGN_OR_RETURN(checked.params,
                          ResolveSampling(request.sampling(), context.generation, random_seed));
  GANTRY_RETURN_IF_ERROR(AddLogitBias(request, context.vocab_size, &checked.params));
  GANTRY_RETURN_IF_ERROR(CheckTopLogprobs(request.top_logprobs()));
  GANTRY_RETURN_IF_ERROR(CheckStop(request, context));
  if (request.priority() < -kMaxPriority || request.priority() > kMaxPriority) {
    return Invalid("priority", absl::StrCat(-kMaxPriority, " to ", kMaxPriority),
                   request.priority());
  }
  if (request.has_n() && (request.n() < 1 || request.n() > kMaxAnswers)) {
    return Invalid("n", absl::StrCat("1 to ", kMaxAnswers), request.n());
  }
  if (request.has_max_new_tokens() && request.max_new_tokens() < 0) {
    return Invalid("max_new_tokens", "0 or more", request.max_new_tokens());
  }
  if (request.min_new_tokens() < 0) {
    return Invalid("min_new_tokens", "0 or more", request.min_new_tokens());
  }
  if (request.has_max_new_tokens() && request.min_new_tokens() > request.max_new_tokens()) {
    return Invalid("min_new_tokens",
                   absl::StrCat("at most max_new_tokens, ", request.max_new_tokens()),
                   request.min_new_tokens());
  }
  GANTRY_ASSIGN_OR_RETURN(checked.constraint, Constraint(request, context));
  GANTRY_ASSIGN_OR_RETURN(checked.prompt, Prompt(request, context));
  if (checked.prompt.empty()) {
    return absl::InvalidArgumentError("prompt: expected at least one token, found none");
  }
  const int64_t prompt_tokens = checked.prompt.size();
  if (prompt_tokens >= context.context) {
    return Invalid("prompt", absl::StrCat("fewer tokens than the context of ", context.context),
                   prompt_tokens);
  }
  checked.max_new_tokens = context.context - prompt_tokens;
  if (request.has_max_new_tokens()) {
    checked.max_new_tokens = std::min<int64_t>(checked.max_new_tokens, request.max_new_tokens());
  }
  checked.params.set_min_new_tokens(request.min_new_tokens());
  checked.params.set_prompt_tokens(prompt_tokens);
  checked.params.set_top_logprobs(request.top_logprobs());
  for (int32_t id : context.generation.eos_token_ids) checked.params.add_end_token_ids(id);
  checked.ignore_eos = request.ignore_eos();
  checked.priority = request.priority();
  checked.n = request.has_n() ? request.n() : 1;
  checked.stop.assign(request.stop().begin(), request.stop().end());
  checked.logprobs = request.logprobs() || request.top_logprobs() > 0;
  return checked;
}

absl::StatusOr<Request> CheckScore(const v1::ScoreRequest& request, const RequestContext& context) {
  GANTRY_RETURN_IF_ERROR(CheckTopLogprobs(request.top_logprobs()));
  Request checked;
  checked.id = RandomRequestId();
  checked.prompt.assign(request.token_ids().ids().begin(), request.token_ids().ids().end());
  if (checked.prompt.empty() || checked.prompt.size() > context.context) {
    return Invalid("token_ids", absl::StrCat("1 to ", context.context, " ids"),
                   checked.prompt.size());
  }
  GANTRY_RETURN_IF_ERROR(CheckTokenIds(checked.prompt, context.vocab_size));
  checked.params.set_score(true);
  checked.params.set_top_p(1);
  checked.params.set_repetition_penalty(1);
  checked.params.set_prompt_tokens(checked.prompt.size());
  checked.params.set_top_logprobs(request.top_logprobs());
  checked.logprobs = true;
  return checked;
}

}  // namespace gantry
