#include "tests/model/grammar/random_schema.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <vector>

#include "base/utf8.h"

namespace gantry {
namespace {

constexpr char kName[] = "#/$defs/tree";
const char* const kNames[] = {"a", "b", "ab", "name", "\u00e9", "x\"y"};

int64_t Characters(const std::string& text) {
  int64_t count = 0;
  for (size_t pos = 0; pos < text.size(); ++count) NextChar(text, &pos);
  return count;
}

bool IsInteger(const Json& value) {
  return value.is_number_integer() ||
         (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
}

bool HasType(const std::string& type, const Json& value) {
  if (type == "integer") return IsInteger(value);
  if (type == "number") return value.is_number();
  return type == value.type_name();
}

bool SatisfiesObject(const Json& root, const Json& schema, const Json& value) {
  const Json required = schema.value("required", Json::array());
  for (const Json& name : required) {
    if (!value.contains(name.get<std::string>())) return false;
  }
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, member] : value.items()) {
    const bool declared = properties.contains(name);
    if (!declared && !schema.contains("additionalProperties")) continue;
    if (!Satisfies(root, declared ? properties[name] : schema["additionalProperties"], member)) {
      return false;
    }
  }
  return true;
}

bool SatisfiesArray(const Json& root, const Json& schema, const Json& value) {
  const size_t size = value.size();
  if (size < schema.value("minItems", 0) || size > schema.value("maxItems", 1 << 30)) return false;
  const Json prefix = schema.value("prefixItems", Json::array());
  for (size_t i = 0; i < size; ++i) {
    if (i >= prefix.size() && !schema.contains("items")) continue;
    if (!Satisfies(root, i < prefix.size() ? prefix[i] : schema["items"], value[i])) return false;
  }
  return true;
}

}  // namespace

bool Satisfies(const Json& root, const Json& schema, const Json& value) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (schema.contains("$ref")) return Satisfies(root, root["$defs"]["tree"], value);
  if (schema.contains("anyOf")) {
    const Json& any = schema["anyOf"];
    return std::any_of(any.begin(), any.end(),
                       [&](const Json& one) { return Satisfies(root, one, value); });
  }
  if (schema.contains("enum")) {
    const Json& of = schema["enum"];
    if (std::find(of.begin(), of.end(), value) == of.end()) return false;
  }
  if (schema.contains("const") && schema["const"] != value) return false;
  if (schema.contains("type")) {
    const Json& types = schema["type"];
    const bool fits = types.is_array()
                          ? std::any_of(types.begin(), types.end(),
                                        [&](const Json& one) { return HasType(one, value); })
                          : HasType(types, value);
    if (!fits) return false;
  }
  if (value.is_number()) {
    const double number = value.get<double>();
    if (schema.contains("minimum") && number < schema["minimum"].get<double>()) return false;
    if (schema.contains("maximum") && number > schema["maximum"].get<double>()) return false;
    if (schema.contains("exclusiveMinimum") && number <= schema["exclusiveMinimum"].get<double>()) {
      return false;
    }
    if (schema.contains("exclusiveMaximum") && number >= schema["exclusiveMaximum"].get<double>()) {
      return false;
    }
  }
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    const int64_t length = Characters(text);
    if (length < schema.value("minLength", 0)) return false;
    if (length > schema.value("maxLength", 1 << 30)) return false;
    if (schema.contains("pattern") &&
        !std::regex_search(text, std::regex(schema["pattern"].get<std::string>()))) {
      return false;
    }
  }
  if (value.is_object()) return SatisfiesObject(root, schema, value);
  if (value.is_array()) return SatisfiesArray(root, schema, value);
  return true;
}

Json RandomSchema::Schema() {
  Json schema = Part(3);
  if (!schema.is_object() || schema.contains("$ref")) schema = {{"type", "object"}};
  schema["$defs"]["tree"] = {
      {"type", "object"},
      {"properties",
       {{"value", Part(0)}, {"next", {{"type", "array"}, {"items", {{"$ref", kName}}}}}}},
      {"required", {"value"}}};
  return schema;
}

Json RandomSchema::Part(int depth) {
  switch (Below(depth > 0 ? 12 : 7)) {
    case 0:
      return {{"type", "null"}};
    case 1:
      return {{"type", "boolean"}};
    case 2: {
      const int min = Below(300) - 150;
      Json schema = {{"type", "integer"}};
      if (Below(2)) schema[Below(2) ? "minimum" : "exclusiveMinimum"] = min;
      if (Below(2)) schema[Below(2) ? "maximum" : "exclusiveMaximum"] = min + 3 + Below(2000);
      return schema;
    }
    case 3: {
      const double min = (Below(2000) - 1000) / 16.0;
      Json schema = {{"type", "number"}};
      if (Below(2)) schema[Below(2) ? "minimum" : "exclusiveMinimum"] = min;
      if (Below(2)) schema[Below(2) ? "maximum" : "exclusiveMaximum"] = min + 1 + Below(90) / 4.0;
      return schema;
    }
    case 4:
      return {{"enum", {"red", 7, nullptr, 2.5, Json::array({1, "x"}), {{"k", true}}}}};
    case 5:
    case 6:
      return StringPart();
    case 7:
    case 8:
      return ObjectPart(depth - 1);
    case 9:
      return ArrayPart(depth - 1);
    case 10:
      return {{"$ref", kName}};
    default: {
      Json any = Json::array();
      for (int i = 1 + Below(3); i > 0; --i) any.push_back(Part(depth - 1));
      return {{"anyOf", any}};
    }
  }
}

Json RandomSchema::StringPart() {
  static const char* const kPatterns[] = {"^[a-f0-9]{2,4}$", "b+", "^(x|yz)*$", "^\"?\\\\$",
                                          "^[ab][ab]?$"};
  Json schema = {{"type", "string"}};
  if (Below(3) == 0) {
    schema["pattern"] = kPatterns[Below(std::size(kPatterns))];
    return schema;
  }
  const int min = Below(4);
  if (Below(2)) schema["minLength"] = min;
  if (Below(2)) schema["maxLength"] = min + Below(6);
  return schema;
}

Json RandomSchema::ObjectPart(int depth) {
  Json schema = {{"type", "object"}};
  Json required = Json::array();
  for (const char* name : kNames) {
    if (Below(2)) continue;
    schema["properties"][name] = Part(depth);
    if (Below(2)) required.push_back(name);
  }
  if (!required.empty()) schema["required"] = required;
  switch (Below(4)) {
    case 0:
      schema["additionalProperties"] = false;
      break;
    case 1:
      schema["additionalProperties"] = Part(0);
      break;
    case 2:
      schema["additionalProperties"] = true;
      break;
  }
  return schema;
}

Json RandomSchema::ArrayPart(int depth) {
  Json schema = {{"type", "array"}};
  if (Below(3) == 0) schema["prefixItems"] = Json::array({Part(depth), Part(0)});
  if (Below(2)) schema["items"] = Part(depth);
  const int min = Below(4);
  if (Below(2)) schema["minItems"] = min;
  if (Below(2)) schema["maxItems"] = min + Below(3);
  return schema;
}

std::string RandomSchema::Characters(int count) {
  static const char* const kCharacters[] = {"a",  "b",    "\"",     "\\",
                                            "\n", "\x01", "\u00e9", "\U0001f600"};
  std::string text;
  for (; count > 0; --count) text += kCharacters[Below(std::size(kCharacters))];
  return text;
}

Json RandomSchema::Any(int depth) {
  switch (Below(depth < 3 ? 6 : 4)) {
    case 0:
      return nullptr;
    case 1:
      return Below(1000) - 500;
    case 2:
      return Below(1000) / 8.0;
    case 3:
      return Characters(Below(4));
    case 4:
      return Json::array({Any(depth + 1), Any(depth + 1)});
    default:
      return {{Characters(2) + "1", Any(depth + 1)}, {"z", Any(depth + 1)}};
  }
}

Json RandomSchema::Document(const Json& root, const Json& schema, int depth) {
  if (schema.is_boolean()) return Any(depth);
  if (schema.contains("$ref")) return Document(root, root["$defs"]["tree"], depth + 1);
  if (schema.contains("anyOf")) {
    return Document(root, schema["anyOf"][Below(schema["anyOf"].size())], depth);
  }
  if (schema.contains("enum")) return schema["enum"][Below(schema["enum"].size())];
  const std::string type = schema["type"];
  if (type == "null") return nullptr;
  if (type == "boolean") return Below(2) == 0;
  if (type == "integer" || type == "number") {
    const double step = type == "integer" ? 1 : 0.0625;
    double low = schema.value("minimum", -1e6);
    double high = schema.value("maximum", 1e6);
    if (schema.contains("exclusiveMinimum")) low = schema["exclusiveMinimum"].get<double>() + step;
    if (schema.contains("exclusiveMaximum")) high = schema["exclusiveMaximum"].get<double>() - step;
    low = std::max(low, high - 3000);
    const double number = low + step * Below(static_cast<int>((high - low) / step) + 1);
    if (type == "integer") return static_cast<int64_t>(number);
    return number == 0 ? Json(0) : Json(number);
  }
  if (type == "string") {
    if (!schema.contains("pattern")) {
      const int min = schema.value("minLength", 0);
      return Characters(min + Below(schema.value("maxLength", min + 5) - min + 1));
    }
    static const char* const kTexts[] = {"a0", "xyz", "yz", "", "abc", "\\", "\"\\", "xb", "bb"};
    while (true) {
      const Json text = kTexts[Below(std::size(kTexts))];
      if (Satisfies(root, schema, text)) return text;
    }
  }
  if (type == "array") {
    const Json prefix = schema.value("prefixItems", Json::array());
    const int min = schema.value("minItems", 0);
    int most = schema.value("maxItems", min + 2);
    const bool declared = !prefix.empty() && !schema.contains("items");
    if (declared) most = std::min<int>(most, std::max<int>(min, prefix.size()));
    const int size = depth > 4 ? min : min + Below(most - min + 1);
    Json array = Json::array();
    for (int i = 0; i < size; ++i) {
      if (i < prefix.size()) {
        array.push_back(Document(root, prefix[i], depth + 1));
      } else {
        array.push_back(schema.contains("items") ? Document(root, schema["items"], depth + 1)
                                                 : Any(depth));
      }
    }
    return array;
  }
  Json object = Json::object();
  const Json required = schema.value("required", Json::array());
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, part] : properties.items()) {
    const bool needed = std::find(required.begin(), required.end(), name) != required.end();
    if (needed || (depth < 5 && Below(2))) object[name] = Document(root, part, depth + 1);
  }
  const bool open = schema.contains("additionalProperties")
                        ? schema["additionalProperties"] != false
                        : !schema.contains("properties");
  if (open && Below(2)) {
    object["other"] = Document(root, schema.value("additionalProperties", Json(true)), depth + 1);
  }
  return object;
}

}  // namespace gantry
