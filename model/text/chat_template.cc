#include "model/text/chat_template.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/jinja/json_value.h"
#include "model/text/jinja/lexer.h"
#include "model/text/jinja/template.h"

namespace gantry {
namespace {

using jinja::MakeString;
using jinja::None;
using jinja::Value;

constexpr uint64_t kMaxTemplateBytes = 1 << 20;

constexpr absl::string_view kSpecialTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                "pad_token", "cls_token", "mask_token"};

// "<s>" or {"content": "<s>", ...}; empty when it is neither.
absl::StatusOr<std::string> SpecialToken(const Json& config, absl::string_view name) {
  const Json* token = FindMember(config, name);
  if (token == nullptr) return std::string();
  if (token->is_object()) {
    absl::StatusOr<std::string> content = GetStringOr(*token, "content", "");
    return content.ok() ? content : Annotate(content.status(), name);
  }
  return GetString(config, name);
}

// The text of tokenizer_config.json's `chat_template`, or NOT_FOUND.
absl::StatusOr<std::string> TemplateOf(const Json& config) {
  const Json* source = FindMember(config, "chat_template");
  if (source == nullptr) return absl::NotFoundError("chat_template: there is none");
  if (!source->is_array()) return GetString(config, "chat_template");
  for (const Json& named : *source) {
    if (!named.is_object()) {
      return absl::InvalidArgumentError("chat_template: expected a list of {name, template}");
    }
    GANTRY_ASSIGN_OR_RETURN(const std::string name, GetString(named, "name"));
    if (name == "default") return GetString(named, "template");
  }
  return absl::NotFoundError("chat_template: the list has no template named \"default\"");
}

// The names and strings within the tags of a template that parses.
absl::StatusOr<std::vector<std::string>> Words(absl::string_view source) {
  std::vector<std::string> words;
  jinja::Lexer lexer(source);
  while (true) {
    GANTRY_ASSIGN_OR_RETURN(jinja::Token token, lexer.Next());
    if (token.kind == jinja::Token::Kind::kEnd) return words;
    if (token.kind == jinja::Token::Kind::kName || token.kind == jinja::Token::Kind::kString) {
      words.push_back(std::move(token.text));
    }
  }
}

// A message as a template sees it.
absl::StatusOr<Value> MessageValue(jinja::Runtime* runtime, const ChatMessage& message) {
  for (absl::string_view text :
       {absl::string_view(message.role), absl::string_view(message.content),
        absl::string_view(message.name), absl::string_view(message.tool_call_id)}) {
    if (!IsValidUtf8(text)) return absl::InvalidArgumentError("not UTF-8");
  }
  std::vector<std::pair<Value, Value>> entries = {
      {MakeString("role"), Value(jinja::UserText(message.role))},
      {MakeString("content"), Value(jinja::UserText(message.content))}};
  if (!message.name.empty()) {
    entries.emplace_back(MakeString("name"), Value(jinja::UserText(message.name)));
  }
  if (!message.tool_call_id.empty()) {
    entries.emplace_back(MakeString("tool_call_id"), Value(jinja::UserText(message.tool_call_id)));
  }
  if (!message.tool_calls.is_null()) {
    GANTRY_ASSIGN_OR_RETURN(Value calls, jinja::JsonValue(runtime, message.tool_calls));
    entries.emplace_back(MakeString("tool_calls"), std::move(calls));
  }
  return runtime->NewDict(std::move(entries));
}

}  // namespace

struct ChatTemplate::Impl {
  std::unique_ptr<jinja::Template> parsed;
  std::vector<std::string> words;                                   // names and strings in tags
  std::vector<std::pair<std::string, std::string>> special_tokens;  // name, text

  absl::Status AddSpecialTokens(const Json& config);
};

// Those that are not there yet.
absl::Status ChatTemplate::Impl::AddSpecialTokens(const Json& config) {
  for (absl::string_view name : kSpecialTokens) {
    bool known = false;
    for (const auto& token : special_tokens) known |= token.first == name;
    if (known) continue;
    GANTRY_ASSIGN_OR_RETURN(std::string text, SpecialToken(config, name));
    if (!text.empty()) special_tokens.emplace_back(std::string(name), std::move(text));
  }
  return absl::OkStatus();
}

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::~ChatTemplate() = default;

absl::StatusOr<std::unique_ptr<ChatTemplate>> ChatTemplate::Parse(absl::string_view source,
                                                                  const Json& tokenizer_config) {
  auto impl = std::make_unique<Impl>();
  absl::StatusOr<std::unique_ptr<jinja::Template>> parsed = jinja::Template::Parse(source);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("chat template: ", parsed.status().message()));
  }
  impl->parsed = *std::move(parsed);
  GANTRY_ASSIGN_OR_RETURN(impl->words, Words(source));
  GANTRY_RETURN_IF_ERROR(impl->AddSpecialTokens(tokenizer_config));
  return std::unique_ptr<ChatTemplate>(new ChatTemplate(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<ChatTemplate>> ChatTemplate::Load(const std::string& folder) {
  const std::string config_path = JoinPath(folder, "tokenizer_config.json");
  const std::string template_path = JoinPath(folder, "chat_template.jinja");
  const std::string map_path = JoinPath(folder, "special_tokens_map.json");
  Json config = Json::object();
  if (FileExists(config_path)) {
    GANTRY_ASSIGN_OR_RETURN(config, ReadJsonFile(config_path));
  }
  std::string source;
  std::string origin = template_path;
  if (FileExists(template_path)) {
    GANTRY_ASSIGN_OR_RETURN(source, ReadFile(template_path, kMaxTemplateBytes));
  } else {
    origin = config_path;
    absl::StatusOr<std::string> found = TemplateOf(config);
    if (!found.ok()) return Annotate(found.status(), config_path);
    source = *std::move(found);
  }
  absl::StatusOr<std::unique_ptr<ChatTemplate>> chat = Parse(source, config);
  if (!chat.ok()) return Annotate(chat.status(), origin);
  if (FileExists(map_path)) {
    GANTRY_ASSIGN_OR_RETURN(const Json map, ReadJsonFile(map_path));
    absl::Status added = (*chat)->impl_->AddSpecialTokens(map);
    if (!added.ok()) return Annotate(added, map_path);
  }
  return chat;
}

absl::StatusOr<MarkedText> ChatTemplate::Render(const std::vector<ChatMessage>& messages,
                                                const Options& options) const {
  jinja::Runtime runtime;
  runtime.now = options.now;
  std::vector<Value> items;
  for (size_t i = 0; i < messages.size(); ++i) {
    absl::StatusOr<Value> item = MessageValue(&runtime, messages[i]);
    if (!item.ok()) return Annotate(item.status(), absl::StrCat("message ", i));
    items.push_back(*std::move(item));
  }
  GANTRY_ASSIGN_OR_RETURN(Value tools, jinja::JsonValue(&runtime, options.tools));
  std::vector<std::pair<std::string, Value>> variables = {
      {"messages", runtime.NewList(std::move(items))},
      {"add_generation_prompt", Value(options.add_generation_prompt)},
      {"tools", std::move(tools)},
      {"documents", Value(None{})},
  };
  for (const auto& [name, text] : impl_->special_tokens) {
    variables.emplace_back(name, MakeString(text));
  }
  absl::StatusOr<MarkedText> text = impl_->parsed->Render(&runtime, std::move(variables));
  if (text.ok() || runtime.raised) return text;
  return Annotate(text.status(), "chat template");
}

bool ChatTemplate::Mentions(absl::string_view word) const {
  for (const std::string& found : impl_->words) {
    if (absl::StrContains(found, word)) return true;
  }
  return false;
}

}  // namespace gantry
