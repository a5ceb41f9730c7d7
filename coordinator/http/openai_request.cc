#include "coordinator/http/openai_request.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "coordinator/http/chat_messages.h"
#include "coordinator/http/constraint_fields.h"
#include "coordinator/http/sampling_fields.h"
#include "coordinator/request.h"

namespace gantry {
namespace {

constexpr int kMaxDepth = 48;
constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

absl::Status WrongPrompt() {
  return absl::InvalidArgumentError(
      "prompt: expected a string, a list of strings, a list of token ids or a list of such lists");
}

bool IsTokenList(const Json& json) {
  if (!json.is_array() || json.empty()) return false;
  for (const Json& id : json) {
    if (!id.is_number_integer()) return false;
  }
  return true;
}

// The engine knows the vocabulary; here an id only has to fit.
absl::Status AddTokens(const Json& ids, v1::GenerateRequest* request) {
  for (const Json& id : ids) {
    const bool fits = id.is_number_unsigned() && id.get<uint64_t>() <= kMaxInt32;
    if (!fits) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompt: expected token ids, found ", DumpJson(id)));
    }
    request->mutable_token_ids()->add_ids(id.get<int32_t>());
  }
  return absl::OkStatus();
}

// Appends a copy of `common` with this input.
absl::Status AddPrompt(const Json& prompt, const v1::GenerateRequest& common,
                       std::vector<v1::GenerateRequest>* prompts) {
  if (prompts->size() == kMaxChoices) {
    return absl::InvalidArgumentError(
        absl::StrCat("prompt: expected at most ", kMaxChoices, " prompts"));
  }
  v1::GenerateRequest& request = prompts->emplace_back(common);
  if (prompt.is_string()) {
    request.set_prompt(prompt.get<std::string>());
    return absl::OkStatus();
  }
  if (!IsTokenList(prompt)) return WrongPrompt();
  return AddTokens(prompt, &request);
}

absl::Status ReadPrompts(const Json& json, const v1::GenerateRequest& common,
                         std::vector<v1::GenerateRequest>* prompts) {
  const Json* prompt = FindMember(json, "prompt");
  if (prompt == nullptr) return WrongPrompt();
  if (prompt->is_string() || IsTokenList(*prompt)) return AddPrompt(*prompt, common, prompts);
  if (!prompt->is_array() || prompt->empty()) return WrongPrompt();
  for (const Json& one : *prompt) GANTRY_RETURN_IF_ERROR(AddPrompt(one, common, prompts));
  return absl::OkStatus();
}

absl::Status ReadStreamFields(const Json& json, OpenAiRequest* out) {
  GANTRY_ASSIGN_OR_RETURN(out->stream, GetBoolOr(json, "stream", false));
  const Json* options = FindMember(json, "stream_options");
  if (options == nullptr) return absl::OkStatus();
  if (!out->stream || !options->is_object()) {
    return absl::InvalidArgumentError(
        "stream_options: expected an object, and only where stream is true");
  }
  absl::StatusOr<bool> include = GetBoolOr(*options, "include_usage", false);
  if (!include.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("stream_options.", include.status().message()));
  }
  out->include_usage = *include;
  return absl::OkStatus();
}

absl::Status ReadChatLogprobs(const Json& json, v1::GenerateRequest* request) {
  GANTRY_ASSIGN_OR_RETURN(const bool logprobs, GetBoolOr(json, "logprobs", false));
  GANTRY_ASSIGN_OR_RETURN(const int64_t top, GetIntOr(json, "top_logprobs", 0, kMaxTopLogprobs, 0));
  if (top > 0 && !logprobs) {
    return absl::InvalidArgumentError("top_logprobs: expected none where logprobs is not true");
  }
  request->set_logprobs(logprobs);
  request->set_top_logprobs(top);
  return absl::OkStatus();
}

// Here `logprobs` is the number of alternatives.
absl::Status ReadCompletionLogprobs(const Json& json, v1::GenerateRequest* request) {
  const Json* logprobs = FindMember(json, "logprobs");
  if (logprobs == nullptr || *logprobs == false) return absl::OkStatus();
  GANTRY_ASSIGN_OR_RETURN(const int64_t top, GetInt(json, "logprobs", 0, kMaxTopLogprobs));
  request->set_logprobs(true);
  request->set_top_logprobs(top);
  return absl::OkStatus();
}

absl::Status ReadInput(const Json& json, v1::GenerateRequest* common, OpenAiRequest* out) {
  if (out->api == OpenAiApi::kCompletions) {
    GANTRY_RETURN_IF_ERROR(ReadCompletionLogprobs(json, common));
    if (!common->has_max_new_tokens()) common->set_max_new_tokens(kDefaultMaxTokens);
    return ReadPrompts(json, *common, &out->prompts);
  }
  GANTRY_RETURN_IF_ERROR(ReadChatLogprobs(json, common));
  GANTRY_ASSIGN_OR_RETURN(*common->mutable_chat(), ParseChat(json));
  out->tools = !common->chat().tools_json().empty();
  out->prompts.push_back(*common);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Json> ParseBody(absl::string_view body) {
  GANTRY_ASSIGN_OR_RETURN(Json json, ParseJson(body, "the body", {body.size(), kMaxDepth}));
  if (!json.is_object()) {
    return absl::InvalidArgumentError("the body is no JSON object, which is what is expected");
  }
  return json;
}

absl::StatusOr<OpenAiRequest> ParseOpenAiRequest(OpenAiApi api, absl::string_view body) {
  OpenAiRequest out;
  out.api = api;
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseBody(body));
  GANTRY_RETURN_IF_ERROR(RefuseUnsupported(json));
  GANTRY_ASSIGN_OR_RETURN(out.model, GetStringOr(json, "model", ""));
  GANTRY_ASSIGN_OR_RETURN(out.n, GetIntOr(json, "n", 1, kMaxChoices, 1));
  GANTRY_ASSIGN_OR_RETURN(const int64_t best_of, GetIntOr(json, "best_of", 1, kMaxChoices, out.n));
  if (best_of != out.n) {
    return absl::InvalidArgumentError(
        absl::StrCat("best_of: expected n, ", out.n, ", found ", best_of));
  }
  GANTRY_RETURN_IF_ERROR(ReadStreamFields(json, &out));
  v1::GenerateRequest common;
  GANTRY_RETURN_IF_ERROR(ReadSamplingFields(json, &common));
  GANTRY_ASSIGN_OR_RETURN(out.constraint, ReadConstraint(json, &common));
  GANTRY_RETURN_IF_ERROR(ReadInput(json, &common, &out));
  if (out.tools && !out.constraint.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        out.constraint, ": expected none beside tools, which the model could not call"));
  }
  if (out.prompts.size() * out.n > kMaxChoices) {
    return absl::InvalidArgumentError(absl::StrCat("n: expected at most ", kMaxChoices,
                                                   " answers in all, found ", out.n, " to each of ",
                                                   out.prompts.size(), " prompts"));
  }
  return out;
}

absl::Status NameFields(OpenAiApi api, const absl::Status& status, absl::string_view constraint) {
  const char* const input = api == OpenAiApi::kChat ? "messages" : "prompt";
  absl::string_view message = status.message();
  std::string renamed(message);
  if (absl::ConsumePrefix(&message, "sampling.") || absl::ConsumePrefix(&message, "chat.")) {
    renamed = std::string(message);
  } else if (absl::ConsumePrefix(&message, "min_new_tokens")) {
    renamed = absl::StrCat("min_tokens", message);
  } else if (absl::ConsumePrefix(&message, "chat:") || absl::ConsumePrefix(&message, "prompt:")) {
    renamed = absl::StrCat(input, ":", message);
  } else if (absl::ConsumePrefix(&message, "token_ids[")) {
    renamed = absl::StrCat("prompt[", message);
  } else if (absl::ConsumePrefix(&message, "json_schema:") ||
             absl::ConsumePrefix(&message, "json_object:") ||
             absl::ConsumePrefix(&message, "regex:")) {
    renamed = absl::StrCat(constraint, ":", message);
  }
  // At the door nothing is exhausted but the request's own limits: another try would not help.
  const absl::StatusCode code =
      absl::IsResourceExhausted(status) ? absl::StatusCode::kInvalidArgument : status.code();
  return absl::Status(code, renamed);
}

}  // namespace gantry
