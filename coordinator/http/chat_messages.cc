#include "coordinator/http/chat_messages.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "coordinator/request.h"

namespace gantry {
namespace {

absl::Status Wrong(absl::string_view field, absl::string_view expected, const Json* found) {
  std::string text = found == nullptr ? "nothing" : DumpJson(*found);
  if (text.size() > 80) text = absl::StrCat(text.substr(0, 77), "...");
  return absl::InvalidArgumentError(absl::StrCat(field, ": expected ", expected, ", found ", text));
}

// `status` of a member of `place`: "messages[1]" and "role: ..." make "messages[1].role: ...".
absl::Status Within(absl::string_view place, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(place, ".", status.message()));
}

absl::StatusOr<std::string> ParseParts(const Json& parts, absl::string_view field) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string place = absl::StrCat(field, "[", i, "]");
    const absl::StatusOr<std::string> type = GetString(parts[i], "type");
    if (!type.ok()) return Within(place, type.status());
    if (*type != "text") {
      return Wrong(absl::StrCat(place, ".type"), "\"text\", all that this model reads",
                   FindMember(parts[i], "type"));
    }
    const absl::StatusOr<std::string> part = GetString(parts[i], "text");
    if (!part.ok()) return Within(place, part.status());
    text += *part;
  }
  return text;
}

// OpenAI's arguments are JSON within a string; templates expect the object itself.
absl::StatusOr<Json> ParseArguments(const Json* arguments, absl::string_view field) {
  if (arguments == nullptr) return Json(Json::object());
  if (arguments->is_object()) return *arguments;
  if (!arguments->is_string()) return Wrong(field, "JSON of an object in a string", arguments);
  absl::StatusOr<Json> parsed =
      ParseJson(arguments->get_ref<const std::string&>(), field, {kMaxToolBytes, kMaxToolDepth});
  if (!parsed.ok()) return Annotate(parsed.status(), field);
  if (!parsed->is_object()) return Wrong(field, "JSON of an object in a string", arguments);
  return parsed;
}

absl::StatusOr<std::string> ParseToolCalls(const Json& calls, const std::string& field) {
  if (!calls.is_array()) return Wrong(field, "a list", &calls);
  Json out = Json::array();
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string place = absl::StrCat(field, "[", i, "]");
    const Json* function = FindMember(calls[i], "function");
    if (function == nullptr) return Wrong(place + ".function", "an object", function);
    const absl::StatusOr<std::string> name = GetString(*function, "name");
    if (!name.ok()) return Within(place + ".function", name.status());
    const absl::StatusOr<std::string> id = GetStringOr(calls[i], "id", "");
    if (!id.ok()) return Within(place, id.status());
    GANTRY_ASSIGN_OR_RETURN(Json arguments, ParseArguments(FindMember(*function, "arguments"),
                                                           place + ".function.arguments"));
    out.push_back(Json{{"id", *id},
                       {"type", "function"},
                       {"function", Json{{"name", *name}, {"arguments", std::move(arguments)}}}});
  }
  return DumpJson(out);
}

absl::Status ParseMessage(const Json& message, const std::string& place, v1::ChatMessage* out) {
  if (!message.is_object()) return Wrong(place, "an object", &message);
  absl::StatusOr<std::string> role = GetString(message, "role");
  if (!role.ok()) return Within(place, role.status());
  out->set_role(*role == "developer" ? "system" : *role);
  for (const auto& [key, set] :
       {std::pair<const char*, void (*)(v1::ChatMessage*, const std::string&)>{
            "name", [](v1::ChatMessage*m, const std::string&v) { m->set_name(v); }},
        {"tool_call_id", [](v1::ChatMessage*m, const std::string&v) { m->set_tool_call_id(v); }}}) {
    const absl::StatusOr<std::string> value = GetStringOr(message, key, "");
    if (!value.ok()) return Within(place, value.status());
    set(out, *value);
  }
  const Json* calls = FindMember(message, "tool_calls");
  if (calls != nullptr && !(calls->is_array() && calls->empty())) {
    GANTRY_ASSIGN_OR_RETURN(*out->mutable_tool_calls_json(),
                            ParseToolCalls(*calls, place + ".tool_calls"));
  }
  const Json* content = FindMember(message, "content");
  const std::string field = place + ".content";
  if (content != nullptr && content->is_string()) {
    out->set_content(content->get<std::string>());
  } else if (content != nullptr && content->is_array()) {
    GANTRY_ASSIGN_OR_RETURN(*out->mutable_content(), ParseParts(*content, field));
  } else if (content != nullptr || out->tool_calls_json().empty()) {
    return Wrong(field, "a string, or a list of text parts", content);
  }
  return absl::OkStatus();
}

// Whether the model is told of the tools.
absl::StatusOr<bool> ToolsWanted(const Json& request) {
  const Json* choice = FindMember(request, "tool_choice");
  if (choice == nullptr || *choice == "auto") return true;
  if (*choice == "none") return false;
  return Wrong("tool_choice", "\"auto\" or \"none\"; calls cannot be forced yet", choice);
}

absl::StatusOr<std::string> ParseTools(const Json& tools) {
  if (!tools.is_array()) return Wrong("tools", "a list", &tools);
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string place = absl::StrCat("tools[", i, "]");
    const Json* type = FindMember(tools[i], "type");
    if (type == nullptr || *type != "function") {
      return Wrong(place + ".type", "\"function\"", type);
    }
    const Json* function = FindMember(tools[i], "function");
    if (function == nullptr || !function->is_object()) {
      return Wrong(place + ".function", "an object", function);
    }
    const absl::StatusOr<std::string> name = GetString(*function, "name");
    if (!name.ok()) return Within(place + ".function", name.status());
  }
  return tools.empty() ? std::string() : DumpJson(tools);
}

}  // namespace

absl::StatusOr<v1::Chat> ParseChat(const Json& request) {
  v1::Chat chat;
  const Json* messages = FindMember(request, "messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    return Wrong("messages", "a list of at least one message", messages);
  }
  if (messages->size() > kMaxChatMessages) {
    return absl::InvalidArgumentError(absl::StrCat("messages: expected at most ", kMaxChatMessages,
                                                   ", found ", messages->size()));
  }
  for (size_t i = 0; i < messages->size(); ++i) {
    GANTRY_RETURN_IF_ERROR(
        ParseMessage((*messages)[i], absl::StrCat("messages[", i, "]"), chat.add_messages()));
  }
  GANTRY_ASSIGN_OR_RETURN(const bool wanted, ToolsWanted(request));
  const Json* tools = FindMember(request, "tools");
  if (tools != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(std::string json, ParseTools(*tools));
    if (wanted) chat.set_tools_json(std::move(json));
  }
  return chat;
}

}  // namespace gantry
