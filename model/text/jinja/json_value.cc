#include "model/text/jinja/json_value.h"

#include <limits>
#include <utility>

#include "base/status_macros.h"

namespace gantry::jinja {
namespace {

Value Integer(const Json& json) {
  if (json.is_number_unsigned() &&
      json.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Value(json.get<double>());  // templates have no integers of that size
  }
  return Value(json.get<int64_t>());
}

}  // namespace

absl::StatusOr<Value> JsonValue(Runtime* runtime, const Json& json) {
  GANTRY_RETURN_IF_ERROR(runtime->Spend(1));
  if (json.is_string()) {
    const std::string& text = json.get_ref<const std::string&>();
    GANTRY_RETURN_IF_ERROR(runtime->SpendBytes(text.size()));
    return Value(UserText(text));
  }
  if (json.is_boolean()) return Value(json.get<bool>());
  if (json.is_number_integer()) return Integer(json);
  if (json.is_number()) return Value(json.get<double>());
  if (json.is_array()) {
    std::vector<Value> items;
    for (const Json& item : json) {
      GANTRY_ASSIGN_OR_RETURN(Value value, JsonValue(runtime, item));
      items.push_back(std::move(value));
    }
    return runtime->NewList(std::move(items));
  }
  if (json.is_object()) {
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [key, member] : json.get_ref<const Json::object_t&>()) {
      GANTRY_ASSIGN_OR_RETURN(Value value, JsonValue(runtime, member));
      entries.emplace_back(Value(UserText(key)), std::move(value));
    }
    return runtime->NewDict(std::move(entries));
  }
  return Value(None{});
}

}  // namespace gantry::jinja
