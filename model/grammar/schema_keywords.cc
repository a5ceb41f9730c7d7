#include "model/grammar/schema_keywords.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "model/grammar/limits.h"

namespace gantry {
namespace {

struct Keyword {
  absl::string_view name;
  unsigned types;  // that it is about; 0: not one of them
};
constexpr Keyword kSupported[] = {
    {"$ref", 0},
    {"additionalProperties", kObjectType},
    {"allOf", 0},
    {"anyOf", 0},
    {"const", 0},
    {"enum", 0},
    {"exclusiveMaximum", kNumberType},
    {"exclusiveMinimum", kNumberType},
    {"format", kStringType},
    {"items", kArrayType},
    {"maxItems", kArrayType},
    {"maxLength", kStringType},
    {"maximum", kNumberType},
    {"minItems", kArrayType},
    {"minLength", kStringType},
    {"minimum", kNumberType},
    {"nullable", 0},
    {"oneOf", 0},
    {"pattern", kStringType},
    {"prefixItems", kArrayType},
    {"properties", kObjectType},
    {"required", kObjectType},
    {"type", 0},
};
constexpr absl::string_view kUnsupported[] = {
    "$dynamicRef",
    "$recursiveRef",
    "additionalItems",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "disallow",
    "divisibleBy",
    "else",
    "extends",
    "if",
    "maxContains",
    "maxProperties",
    "minContains",
    "minProperties",
    "multipleOf",
    "not",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
};
constexpr Keyword kTypeNames[] = {
    {"array", kArrayType},   {"boolean", kBooleanType}, {"integer", kIntegerType},
    {"null", kNullType},     {"number", kNumberType},   {"object", kObjectType},
    {"string", kStringType},
};

const Keyword* FindSupported(absl::string_view name) {
  const auto* found = std::find_if(std::begin(kSupported), std::end(kSupported),
                                   [&](const Keyword& keyword) { return keyword.name == name; });
  return found == std::end(kSupported) ? nullptr : found;
}

absl::StatusOr<unsigned> TypeNamed(const Json& name, const std::string& path) {
  for (const Keyword& type : kTypeNames) {
    if (name.is_string() && name.get_ref<const std::string&>() == type.name) return type.types;
  }
  return SchemaError(path, "type",
                     "array, boolean, integer, null, number, object, string, or a list of them",
                     name);
}

}  // namespace

bool IsConstraint(absl::string_view keyword) {
  return FindSupported(keyword) != nullptr ||
         std::find(std::begin(kUnsupported), std::end(kUnsupported), keyword) !=
             std::end(kUnsupported);
}

absl::Status CheckKeywords(const Json& schema, const std::string& path) {
  for (const auto& [name, value] : schema.get_ref<const Json::object_t&>()) {
    if (std::find(std::begin(kUnsupported), std::end(kUnsupported), name) ==
        std::end(kUnsupported)) {
      continue;
    }
    if (name == "uniqueItems" && value == Json(false)) continue;
    return absl::UnimplementedError(
        absl::StrCat(path, "/", PointerStep(name),
                     ": this keyword is not supported; leave it out, and check "
                     "the answer for it"));
  }
  return absl::OkStatus();
}

absl::StatusOr<unsigned> TypesOf(const Json& schema, const std::string& path) {
  unsigned types = 0;
  if (const Json* type = SchemaMember(schema, "type"); type != nullptr && type->is_array()) {
    for (const Json& name : *type) {
      GANTRY_ASSIGN_OR_RETURN(const unsigned one, TypeNamed(name, path));
      types |= one;
    }
    if (types == 0) return TypeNamed(*type, path);
  } else if (type != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(types, TypeNamed(*type, path));
  } else {
    for (const auto& [name, value] : schema.get_ref<const Json::object_t&>()) {
      const Keyword* keyword = FindSupported(name);
      if (keyword != nullptr) types |= keyword->types;
    }
    if (types == 0) types = kAllTypes;
  }
  if (const Json* nullable = SchemaMember(schema, "nullable"); nullable != nullptr) {
    if (!nullable->is_boolean()) return SchemaError(path, "nullable", "true or false", *nullable);
    if (nullable->get<bool>()) types |= kNullType;
  }
  return types;
}

SchemaType TypeOf(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return kNullType;
    case Json::value_t::boolean:
      return kBooleanType;
    case Json::value_t::string:
      return kStringType;
    case Json::value_t::array:
      return kArrayType;
    case Json::value_t::object:
      return kObjectType;
    case Json::value_t::number_float: {
      const double number = value.get<double>();
      return number == std::floor(number) ? kIntegerType : kNumberType;
    }
    default:
      return kIntegerType;
  }
}

absl::Status SchemaError(const std::string& path, absl::string_view keyword,
                         absl::string_view expected, const Json& found) {
  std::string text = DumpJson(found);
  if (text.size() > 80) text = absl::StrCat(text.substr(0, 77), "...");
  return absl::InvalidArgumentError(
      absl::StrCat(path, "/", keyword, ": expected ", expected, ", found ", text));
}

absl::StatusOr<int64_t> CountKeyword(const Json& schema, absl::string_view keyword,
                                     const std::string& path, int64_t fallback) {
  const Json* count = SchemaMember(schema, keyword);
  if (count == nullptr) return fallback;
  absl::StatusOr<int64_t> value = GetInt(schema, keyword, 0, kMaxRepeats);
  if (value.ok()) return value;
  return SchemaError(path, keyword, absl::StrCat("an integer from 0 to ", kMaxRepeats), *count);
}

const Json* SchemaMember(const Json& schema, absl::string_view keyword) {
  for (const auto& [name, value] : schema.get_ref<const Json::object_t&>()) {
    if (name == keyword) return &value;
  }
  return nullptr;
}

std::string PointerStep(absl::string_view part) {
  return absl::StrReplaceAll(part, {{"~", "~0"}, {"/", "~1"}});
}

}  // namespace gantry
