#include "client/generate_options.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace gantry {
namespace {

using Action = GenerateOptions::Action;

constexpr int32_t kMaxAnswers = 128;
constexpr uint64_t kMaxSchemaFileBytes = 1 << 20;

absl::Status CheckInputs(const GenerateOptions& options) {
  const int texts = options.prompt.has_value() + options.chat.has_value();
  const int inputs = texts + options.token_ids.has_value();
  switch (options.action) {
    case Action::kStatus:
      if (inputs != 0) {
        return absl::InvalidArgumentError(
            "--status takes neither --prompt nor --chat nor --token_ids");
      }
      return absl::OkStatus();
    case Action::kInteractive:
      if (inputs > options.chat.has_value()) {
        return absl::InvalidArgumentError(
            "--interactive takes --chat as its first message, but neither --prompt nor "
            "--token_ids");
      }
      if (options.json) return absl::InvalidArgumentError("--interactive and --json exclude");
      return absl::OkStatus();
    case Action::kTokenize:
      if (texts != 1 || inputs != 1) {
        return absl::InvalidArgumentError("--tokenize needs either --prompt or --chat");
      }
      return absl::OkStatus();
    case Action::kDetokenize:
      if (inputs != 1 || texts != 0) {
        return absl::InvalidArgumentError(
            "--detokenize needs --token_ids, and neither --prompt "
            "nor --chat");
      }
      return absl::OkStatus();
    case Action::kGenerate:
    case Action::kScore:
      if (inputs != 1) {
        return absl::InvalidArgumentError(
            inputs == 0 ? "nothing to do: give one of --chat TEXT, --prompt TEXT, --token_ids "
                          "1,2,3, --interactive, --status"
                        : "--chat, --prompt and --token_ids exclude each other: give one of them");
      }
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status CheckText(absl::string_view flag, const std::optional<std::string>& text) {
  if (!text.has_value() || IsValidUtf8(*text)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(flag, ": expected UTF-8, found other bytes"));
}

absl::Status CheckConstraint(const GenerateOptions& options) {
  const int constraints =
      options.json_schema.has_value() + options.regex.has_value() + options.json_object;
  if (constraints > 1) {
    return absl::InvalidArgumentError(
        "--json_schema, --regex and --json_object exclude each other: give one of them");
  }
  if (constraints > 0 && options.action != Action::kGenerate &&
      options.action != Action::kInteractive) {
    return absl::InvalidArgumentError(
        "--json_schema, --regex and --json_object are about what is generated: leave out --score, "
        "--tokenize, --detokenize and --status");
  }
  GANTRY_RETURN_IF_ERROR(CheckText("--json_schema", options.json_schema));
  return CheckText("--regex", options.regex);
}

v1::Chat ChatOf(const GenerateOptions& options) {
  v1::Chat chat = BeginChat(options);
  AddMessage("user", *options.chat, &chat);
  return chat;
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> ParseTokenIds(absl::string_view text) {
  std::vector<int32_t> ids;
  if (absl::StripAsciiWhitespace(text).empty()) {
    return absl::InvalidArgumentError("--token_ids: expected numbers as in 1,2,3, found nothing");
  }
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    int32_t id;
    if (!absl::SimpleAtoi(part, &id) || id < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--token_ids: expected numbers from 0 to 2147483647 as in 1,2,3, found \"", part, "\""));
    }
    ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::vector<v1::LogitBias>> ParseLogitBias(absl::string_view text) {
  std::vector<v1::LogitBias> biases;
  if (text.empty()) return biases;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits(':', 1));
    int32_t id;
    float bias;
    if (!absl::SimpleAtoi(pair.first, &id) || id < 0 || !absl::SimpleAtof(pair.second, &bias)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--logit_bias: expected ID:BIAS as in 5:-100,9:2.5, found \"", part, "\""));
    }
    v1::LogitBias& added = biases.emplace_back();
    added.set_token_id(id);
    added.set_bias(bias);
  }
  return biases;
}

absl::StatusOr<std::vector<std::string>> ParseStop(absl::string_view text) {
  if (text.empty()) return std::vector<std::string>();
  if (!absl::StartsWith(text, "[\"")) return std::vector<std::string>{std::string(text)};
  GANTRY_ASSIGN_OR_RETURN(const Json list, ParseJson(text, "--stop"));
  std::vector<std::string> stop;
  for (const Json& item : list) {
    if (!item.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--stop: expected a JSON array of strings, found ", DumpJson(item)));
    }
    stop.push_back(item.get<std::string>());
  }
  return stop;
}

absl::StatusOr<std::string> ReadSchema(const std::string& text_or_file) {
  if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(text_or_file), "{")) return text_or_file;
  absl::StatusOr<std::string> schema = ReadFile(text_or_file, kMaxSchemaFileBytes);
  if (!schema.ok()) return Annotate(schema.status(), "--json_schema");
  return schema;
}

absl::Status CheckOptions(const GenerateOptions& options) {
  GANTRY_RETURN_IF_ERROR(CheckInputs(options));
  if (options.n != 1 && options.action != Action::kGenerate) {
    return absl::InvalidArgumentError(
        "--n is a matter of generating only, and not of --interactive");
  }
  if (options.trace && options.action != Action::kGenerate) {
    return absl::InvalidArgumentError(
        "--trace is a matter of generating only, and not of --interactive");
  }
  if (options.n < 1 || options.n > kMaxAnswers) {
    return absl::InvalidArgumentError(
        absl::StrCat("--n: expected 1 to ", kMaxAnswers, ", found ", options.n));
  }
  GANTRY_RETURN_IF_ERROR(CheckConstraint(options));
  if (options.system.has_value() && !options.chat.has_value() &&
      options.action != Action::kInteractive) {
    return absl::InvalidArgumentError("--system needs --chat or --interactive");
  }
  GANTRY_RETURN_IF_ERROR(CheckText("--prompt", options.prompt));
  GANTRY_RETURN_IF_ERROR(CheckText("--chat", options.chat));
  GANTRY_RETURN_IF_ERROR(CheckText("--system", options.system));
  for (const std::string& stop : options.stop) GANTRY_RETURN_IF_ERROR(CheckText("--stop", stop));
  return absl::OkStatus();
}

v1::Chat BeginChat(const GenerateOptions& options) {
  v1::Chat chat;
  if (options.system.has_value()) AddMessage("system", *options.system, &chat);
  return chat;
}

void AddMessage(absl::string_view role, absl::string_view content, v1::Chat* chat) {
  v1::ChatMessage* message = chat->add_messages();
  message->set_role(std::string(role));
  message->set_content(std::string(content));
}

v1::GenerateRequest MakeGenerateRequest(const GenerateOptions& options) {
  v1::GenerateRequest request;
  if (options.prompt.has_value()) request.set_prompt(*options.prompt);
  if (options.chat.has_value()) *request.mutable_chat() = ChatOf(options);
  if (options.token_ids.has_value()) {
    request.mutable_token_ids()->mutable_ids()->Assign(options.token_ids->begin(),
                                                       options.token_ids->end());
  }
  if (options.add_special_tokens.has_value()) {
    request.set_add_special_tokens(*options.add_special_tokens);
  }
  *request.mutable_sampling() = options.sampling;
  if (options.max_new_tokens.has_value()) request.set_max_new_tokens(*options.max_new_tokens);
  if (options.min_new_tokens.has_value()) request.set_min_new_tokens(*options.min_new_tokens);
  request.mutable_stop()->Assign(options.stop.begin(), options.stop.end());
  request.mutable_logit_bias()->Assign(options.logit_bias.begin(), options.logit_bias.end());
  request.set_ignore_eos(options.ignore_eos);
  if (options.json_schema.has_value()) request.set_json_schema(*options.json_schema);
  if (options.regex.has_value()) request.set_regex(*options.regex);
  if (options.json_object) request.set_json_object(true);
  request.set_logprobs(options.logprobs.value_or(options.json || options.top_logprobs > 0));
  request.set_top_logprobs(options.top_logprobs);
  request.set_priority(options.priority);
  if (options.n != 1) request.set_n(options.n);
  return request;
}

v1::TokenizeRequest MakeTokenizeRequest(const GenerateOptions& options) {
  v1::TokenizeRequest request;
  if (options.prompt.has_value()) request.set_prompt(*options.prompt);
  if (options.chat.has_value()) *request.mutable_chat() = ChatOf(options);
  request.set_add_special_tokens(options.add_special_tokens.value_or(false));
  return request;
}

}  // namespace gantry
