// The parts of SchemaCompiler for objects and arrays.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/grammar/limits.h"
#include "model/grammar/schema_compiler.h"
#include "model/grammar/schema_keywords.h"

namespace gantry {

absl::StatusOr<std::vector<SchemaCompiler::Property>> SchemaCompiler::Properties(
    const Json& schema, const std::string& path) {
  std::vector<Property> properties;
  absl::flat_hash_map<std::string, size_t> by_name;
  if (const Json* declared = SchemaMember(schema, "properties"); declared != nullptr) {
    if (!declared->is_object()) {
      return SchemaError(path, "properties", "an object of schemas", *declared);
    }
    for (const auto& [name, value] : declared->get_ref<const Json::object_t&>()) {
      by_name.emplace(name, properties.size());
      properties.push_back({name, &value, absl::StrCat(path, "/properties/", PointerStep(name))});
    }
  }
  const Json* required = SchemaMember(schema, "required");
  if (required == nullptr) return properties;
  if (!required->is_array()) return SchemaError(path, "required", "a list of names", *required);
  const Json* additional = SchemaMember(schema, "additionalProperties");
  for (const Json& name : *required) {
    if (!name.is_string()) return SchemaError(path, "required", "a list of names", *required);
    const auto [at, added] =
        by_name.try_emplace(name.get_ref<const std::string&>(), properties.size());
    if (added) properties.push_back({at->first, additional, path + "/additionalProperties"});
    properties[at->second].required = true;
  }
  return properties;
}

absl::StatusOr<int> SchemaCompiler::Object(const Json& schema, const std::string& path, int from) {
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Property> properties, Properties(schema, path));
  const Json* additional = SchemaMember(schema, "additionalProperties");
  const bool open = additional == nullptr ? SchemaMember(schema, "properties") == nullptr
                                          : *additional != Json(false);
  if (properties.empty() && open && (additional == nullptr || *additional == Json(true))) {
    return nfa_->Call(from, syntax_.AnyObject());
  }
  // Before each property there are two states: no member was written yet, or some were.
  int none = syntax_.WhiteSpace(nfa_->Literal(from, "{"));
  int some = nfa_->AddState();
  const auto member_start = [&] {
    const int start = syntax_.WhiteSpace(nfa_->Literal(some, ","));
    nfa_->Connect(none, start);
    return start;
  };
  for (const Property& property : properties) {
    const int name = nfa_->Literal(member_start(), DumpJson(Json(property.name)));
    GANTRY_ASSIGN_OR_RETURN(const int value,
                            ValueOrAny(property.schema, property.path, syntax_.Colon(name)));
    const int none_after = nfa_->AddState();
    const int some_after = nfa_->AddState();
    nfa_->Connect(value, some_after);
    if (!property.required) {
      nfa_->Connect(none, none_after);
      nfa_->Connect(some, some_after);
    }
    none = none_after;
    some = some_after;
  }
  if (open) {
    std::vector<absl::string_view> taken;
    for (const Property& property : properties) taken.push_back(property.name);
    const int name = syntax_.OtherName(member_start(), taken);
    GANTRY_ASSIGN_OR_RETURN(const int value,
                            ValueOrAny(additional, path + "/additionalProperties", name));
    nfa_->Connect(value, some);
  }
  const int close = syntax_.WhiteSpace(some);
  nfa_->Connect(none, close);
  return nfa_->Literal(close, "}");
}

absl::StatusOr<int> SchemaCompiler::Array(const Json& schema, const std::string& path, int from) {
  GANTRY_ASSIGN_OR_RETURN(const int64_t min, CountKeyword(schema, "minItems", path, 0));
  GANTRY_ASSIGN_OR_RETURN(const int64_t max, CountKeyword(schema, "maxItems", path, kNoMaxLength));
  const Json* items = SchemaMember(schema, "items");
  const Json* prefix = SchemaMember(schema, "prefixItems");
  if (items != nullptr && items->is_array()) {
    return absl::UnimplementedError(
        absl::StrCat(path,
                     "/items: a list is not supported; since draft 2020-12 it is called "
                     "prefixItems"));
  }
  if (prefix != nullptr && !prefix->is_array()) {
    return SchemaError(path, "prefixItems", "a list of schemas", *prefix);
  }
  const int64_t declared = prefix == nullptr ? 0 : prefix->size();
  // Items without a schema: as many as needed behind declared ones, any number without.
  int64_t last = max;
  if (items == nullptr && prefix != nullptr) last = std::min(max, std::max(declared, min));
  if (items != nullptr && *items == Json(false)) last = std::min(max, declared);
  if (min > last) return nfa_->AddState();  // nothing leads there
  int rule = -1;
  const auto item = [&](int64_t index, int start) -> absl::StatusOr<int> {
    if (index < declared) {
      return Value((*prefix)[index], absl::StrCat(path, "/prefixItems/", index), start);
    }
    if (rule < 0) {
      GANTRY_ASSIGN_OR_RETURN(rule, ValueRule(items, path + "/items"));
    }
    return nfa_->Call(start, rule);
  };

  int at = syntax_.WhiteSpace(nfa_->Literal(from, "["));
  const int close = nfa_->AddState();
  // Written out as far as positions differ.
  const int64_t written = last != kNoMaxLength ? last : std::max({declared, min, int64_t{1}});
  for (int64_t index = 0;; ++index) {
    if (index >= min) nfa_->Connect(index == 0 ? at : syntax_.WhiteSpace(at), close);
    if (index == written) break;
    const int start = index == 0 ? at : syntax_.WhiteSpace(nfa_->Literal(at, ","));
    GANTRY_ASSIGN_OR_RETURN(at, item(index, start));
    GANTRY_RETURN_IF_ERROR(Annotate(nfa_->status(), path));
  }
  if (last == kNoMaxLength) {
    GANTRY_ASSIGN_OR_RETURN(const int next,
                            item(written, syntax_.WhiteSpace(nfa_->Literal(at, ","))));
    nfa_->Connect(next, at);
  }
  return nfa_->Literal(close, "]");
}

}  // namespace gantry
