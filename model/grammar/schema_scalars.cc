// The parts of SchemaCompiler for values without values in them, and enumerations.

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/grammar/limits.h"
#include "model/grammar/number_range.h"
#include "model/grammar/regex.h"
#include "model/grammar/schema_compiler.h"
#include "model/grammar/schema_keywords.h"
#include "model/grammar/string_formats.h"

namespace gantry {
namespace {

int64_t GreatestInteger(const DecimalBound& max) {
  const Decimal& value = max.value;
  int64_t greatest = value.negative ? -value.whole : value.whole;
  if (value.negative && !value.fraction.empty()) --greatest;
  if (max.exclusive && value.fraction.empty()) --greatest;
  return std::max(greatest, -kMaxInteger - 1);
}

int64_t LeastInteger(DecimalBound min) {
  min.value.negative = !min.value.negative;
  return -GreatestInteger(min);
}

}  // namespace

absl::StatusOr<int> SchemaCompiler::Enumeration(const Json& schema, const std::string& path,
                                                int from) {
  for (const auto& [keyword, value] : schema.get_ref<const Json::object_t&>()) {
    if (!IsConstraint(keyword) || keyword == "enum" || keyword == "const" || keyword == "type" ||
        keyword == "nullable") {
      continue;
    }
    return absl::UnimplementedError(
        absl::StrCat(path, "/", PointerStep(keyword),
                     ": not supported beside enum or const; list the values that it allows"));
  }
  const Json* constant = SchemaMember(schema, "const");
  const Json* listed = SchemaMember(schema, "enum");
  if (listed != nullptr && (!listed->is_array() || listed->empty())) {
    return SchemaError(path, "enum", "a list of values", *listed);
  }
  unsigned types = kAllTypes;
  if (SchemaMember(schema, "type") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(types, TypesOf(schema, path));
    if ((types & kNumberType) != 0) types |= kIntegerType;
  }
  const int end = nfa_->AddState();
  const auto add = [&](const Json& value) {
    if ((TypeOf(value) & types) != 0) nfa_->Connect(nfa_->Literal(from, DumpJson(value)), end);
  };
  if (listed == nullptr) {
    add(*constant);
  } else {
    for (const Json& value : *listed) {
      if (constant == nullptr || value == *constant) add(value);
    }
  }
  return end;
}

absl::StatusOr<int> SchemaCompiler::String(const Json& schema, const std::string& path, int from) {
  GANTRY_ASSIGN_OR_RETURN(const int64_t min, CountKeyword(schema, "minLength", path, 0));
  GANTRY_ASSIGN_OR_RETURN(const int64_t max, CountKeyword(schema, "maxLength", path, kNoMaxLength));
  const Json* pattern = SchemaMember(schema, "pattern");
  const Json* format = SchemaMember(schema, "format");
  if (min > max) return nfa_->AddState();  // nothing leads there
  if (pattern == nullptr && format == nullptr) return syntax_.String(from, min, max);

  absl::StatusOr<CharacterNfa> characters;
  std::string place = path + "/pattern";
  if (pattern != nullptr) {
    if (format != nullptr) {
      return absl::UnimplementedError(
          absl::StrCat(path, "/format: not supported beside pattern; leave out one of them"));
    }
    if (!pattern->is_string()) return SchemaError(path, "pattern", "a string", *pattern);
    characters = ParseRegex(pattern->get_ref<const std::string&>(), RegexMatch::kSearch);
  } else {
    place = path + "/format";
    if (!format->is_string() || FormatRegex(format->get_ref<const std::string&>()).empty()) {
      return absl::UnimplementedError(absl::StrCat(place, ": expected one of ", kFormats,
                                                   ", found ", DumpJson(*format).substr(0, 80),
                                                   "; leave it out, or give a pattern"));
    }
    characters = ParseRegex(FormatRegex(format->get_ref<const std::string&>()), RegexMatch::kWhole);
  }
  if (characters.ok() && (min > 0 || max != kNoMaxLength)) {
    characters = WithLength(*characters, min, max);
  }
  if (!characters.ok()) return Annotate(characters.status(), place);
  const int open = nfa_->Literal(from, "\"");
  return nfa_->Literal(nfa_->Characters(open, *characters, CharacterEncoding::kJsonString), "\"");
}

absl::StatusOr<int> SchemaCompiler::Number(const Json& schema, const std::string& path,
                                           bool integer, int from) {
  std::optional<DecimalBound> min;
  std::optional<DecimalBound> max;
  for (const char* keyword : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
    const Json* number = SchemaMember(schema, keyword);
    if (number == nullptr) continue;
    if (!number->is_number()) return SchemaError(path, keyword, "a number", *number);
    const std::optional<Decimal> value = Decimal::Parse(DumpJson(*number));
    if (!value.has_value()) {
      return absl::UnimplementedError(
          absl::StrCat(path, "/", keyword, ": expected a number of at most ", kMaxIntegerDigits,
                       " digits before the point and ", kMaxFractionDigits, " behind it, found ",
                       DumpJson(*number)));
    }
    const bool is_minimum =
        keyword == absl::string_view("minimum") || keyword == absl::string_view("exclusiveMinimum");
    std::optional<DecimalBound>& bound = is_minimum ? min : max;
    if (bound.has_value()) {
      return absl::UnimplementedError(absl::StrCat(path, "/", keyword, ": not supported beside ",
                                                   is_minimum ? "minimum" : "maximum",
                                                   "; leave out the one that the other includes"));
    }
    bound = DecimalBound{*value, keyword[0] == 'e'};
  }
  if (!min.has_value() && !max.has_value()) {
    return nfa_->Call(from, integer ? syntax_.Integer() : syntax_.Number());
  }
  std::string regex;
  if (!integer) {
    regex = NumberRangeRegex(min, max);
  } else {
    const int64_t least = min.has_value() ? LeastInteger(*min) : -kMaxInteger;
    const int64_t greatest = max.has_value() ? GreatestInteger(*max) : kMaxInteger;
    if (least <= greatest) regex = IntegerRangeRegex(least, greatest);
  }
  if (regex.empty()) return nfa_->AddState();  // nothing leads there
  return syntax_.Regex(from, regex);
}

}  // namespace gantry
