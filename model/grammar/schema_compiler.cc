#include "model/grammar/schema_compiler.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/grammar/limits.h"
#include "model/grammar/schema_keywords.h"
#include "model/grammar/schema_merge.h"

namespace gantry {
namespace {

// `schema` without `keyword` and without annotations.
Json Without(const Json& schema, absl::string_view keyword) {
  Json rest = Json::object();
  for (const auto& [name, value] : schema.get_ref<const Json::object_t&>()) {
    if (name != keyword && IsConstraint(name)) rest[name] = value;
  }
  return rest;
}

}  // namespace

absl::StatusOr<int> SchemaCompiler::Compile() {
  // The whole is what "#" refers to.
  const int rule = nfa_->AddRule();
  reference_rules_.emplace("#", rule);
  unwritten_.emplace_back("#", rule);
  while (!unwritten_.empty()) {
    const auto [reference, of] = unwritten_.front();
    unwritten_.pop_front();
    GANTRY_ASSIGN_OR_RETURN(const Json* schema, ResolveReference(*root_, reference));
    GANTRY_ASSIGN_OR_RETURN(const int end, Value(*schema, reference, nfa_->start(of)));
    nfa_->EndRule(of, end);
  }
  return rule;
}

absl::StatusOr<int> SchemaCompiler::Value(const Json& schema, const std::string& path, int from) {
  GANTRY_RETURN_IF_ERROR(Annotate(nfa_->status(), path));
  if (nesting_ >= kMaxSchemaNesting) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path.substr(0, 80), "...: schemas nested deeper than ", kMaxSchemaNesting));
  }
  ++nesting_;
  const absl::Cleanup leave = [this] { --nesting_; };
  if (schema.is_boolean()) {
    if (schema.get<bool>()) return nfa_->Call(from, syntax_.AnyValue());
    return nfa_->AddState();  // nothing leads there
  }
  if (!schema.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": expected a schema, an object or true or false, found ", schema.type_name()));
  }
  GANTRY_RETURN_IF_ERROR(CheckKeywords(schema, path));
  if (SchemaMember(schema, "$ref") != nullptr) return Reference(schema, path, from);
  if (SchemaMember(schema, "allOf") != nullptr) return AllOf(schema, path, from);
  for (const char* keyword : {"anyOf", "oneOf"}) {
    if (SchemaMember(schema, keyword) != nullptr) return Alternatives(schema, keyword, path, from);
  }
  return ValueOfKeywords(schema, path, from);
}

absl::StatusOr<int> SchemaCompiler::ValueOfKeywords(const Json& schema, const std::string& path,
                                                    int from) {
  if (SchemaMember(schema, "enum") != nullptr || SchemaMember(schema, "const") != nullptr) {
    return Enumeration(schema, path, from);
  }
  GANTRY_ASSIGN_OR_RETURN(const unsigned types, TypesOf(schema, path));
  if (types == kAllTypes && Without(schema, "").empty()) {
    return nfa_->Call(from, syntax_.AnyValue());
  }
  const int end = nfa_->AddState();
  for (unsigned type = 1; type <= kObjectType; type <<= 1) {
    if ((types & type) == 0 || (type == kIntegerType && (types & kNumberType) != 0)) continue;
    GANTRY_ASSIGN_OR_RETURN(const int value, OfType(type, schema, path, from));
    nfa_->Connect(value, end);
  }
  return end;
}

absl::StatusOr<int> SchemaCompiler::OfType(unsigned type, const Json& schema,
                                           const std::string& path, int from) {
  switch (type) {
    case kNullType:
      return nfa_->Literal(from, "null");
    case kBooleanType: {
      const int end = nfa_->Literal(from, "true");
      nfa_->Connect(nfa_->Literal(from, "false"), end);
      return end;
    }
    case kIntegerType:
    case kNumberType:
      return Number(schema, path, type == kIntegerType, from);
    case kStringType:
      return String(schema, path, from);
    case kArrayType:
      return Array(schema, path, from);
    default:
      return Object(schema, path, from);
  }
}

absl::StatusOr<int> SchemaCompiler::Alternatives(const Json& schema, const std::string& keyword,
                                                 const std::string& path, int from) {
  const Json& alternatives = *SchemaMember(schema, keyword);
  if (!alternatives.is_array() || alternatives.empty()) {
    return SchemaError(path, keyword, "a list of schemas", alternatives);
  }
  const Json rest = Without(schema, keyword);
  const int end = nfa_->AddState();
  for (size_t i = 0; i < alternatives.size(); ++i) {
    const std::string place = absl::StrCat(path, "/", keyword, "/", i);
    int value = 0;
    if (rest.empty()) {
      GANTRY_ASSIGN_OR_RETURN(value, Value(alternatives[i], place, from));
    } else {
      GANTRY_ASSIGN_OR_RETURN(const Json merged, Merge(rest, alternatives[i], place));
      GANTRY_ASSIGN_OR_RETURN(value, Value(merged, place, from));
    }
    nfa_->Connect(value, end);
  }
  return end;
}

absl::StatusOr<int> SchemaCompiler::AllOf(const Json& schema, const std::string& path, int from) {
  const Json& parts = *SchemaMember(schema, "allOf");
  if (!parts.is_array() || parts.empty()) {
    return SchemaError(path, "allOf", "a list of schemas", parts);
  }
  Json all = Without(schema, "allOf");
  if (all.empty() && parts.size() == 1) return Value(parts[0], path + "/allOf/0", from);
  for (size_t i = 0; i < parts.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(all, Merge(all, parts[i], absl::StrCat(path, "/allOf/", i)));
  }
  return Value(all, path, from);
}

absl::StatusOr<int> SchemaCompiler::Reference(const Json& schema, const std::string& path,
                                              int from) {
  const Json& reference = *SchemaMember(schema, "$ref");
  if (!reference.is_string()) return SchemaError(path, "$ref", "a string", reference);
  const std::string& to = reference.get_ref<const std::string&>();
  const absl::StatusOr<const Json*> target = ResolveReference(*root_, to);
  if (!target.ok()) {
    return absl::Status(absl::IsNotFound(target.status()) ? absl::StatusCode::kInvalidArgument
                                                          : target.status().code(),
                        absl::StrCat(path, "/$ref: ", target.status().message()));
  }
  const Json rest = Without(schema, "$ref");
  if (!rest.empty()) {
    GANTRY_ASSIGN_OR_RETURN(const Json merged, Merge(rest, **target, path));
    return Value(merged, path, from);
  }
  const auto [rule, added] = reference_rules_.try_emplace(to, -1);
  if (added) {
    rule->second = nfa_->AddRule();
    unwritten_.emplace_back(to, rule->second);
  }
  return nfa_->Call(from, rule->second);
}

absl::StatusOr<Json> SchemaCompiler::Merge(const Json& one, const Json& other,
                                           const std::string& path) {
  if (++merges_ > kMaxSchemaMerges) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path.substr(0, 80), ": more than ", kMaxSchemaMerges,
                     " schemas to be merged (allOf, or keywords beside $ref, anyOf or oneOf)"));
  }
  if (other == Json(true)) return one;
  if (!other.is_object()) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": expected an object to be merged with other keywords, found ",
                     DumpJson(other).substr(0, 80)));
  }
  // A reference is followed, or it would stand beside the other's keywords, for ever if it leads
  // to itself: kMaxSchemaMerges ends that.
  if (const Json* reference = SchemaMember(other, "$ref");
      reference != nullptr && reference->is_string() && !one.empty()) {
    const absl::StatusOr<const Json*> target =
        ResolveReference(*root_, reference->get_ref<const std::string&>());
    if (!target.ok()) return Annotate(target.status(), absl::StrCat(path, "/$ref"));
    GANTRY_ASSIGN_OR_RETURN(const Json rest, Merge(one, Without(other, "$ref"), path));
    return Merge(rest, **target, path);
  }
  return MergeSchemas(one, other, path);
}

absl::StatusOr<int> SchemaCompiler::ValueRule(const Json* schema, const std::string& path) {
  if (schema == nullptr) return syntax_.AnyValue();
  const int rule = nfa_->AddRule();
  GANTRY_ASSIGN_OR_RETURN(const int end, Value(*schema, path, nfa_->start(rule)));
  nfa_->EndRule(rule, end);
  return rule;
}

absl::StatusOr<int> SchemaCompiler::ValueOrAny(const Json* schema, const std::string& path,
                                               int from) {
  if (schema == nullptr) return nfa_->Call(from, syntax_.AnyValue());
  return Value(*schema, path, from);
}

}  // namespace gantry
