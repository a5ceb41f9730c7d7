#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/builtin.h"
#include "model/text/jinja/format.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/print.h"
#include "model/text/jinja/sequence_filters.h"
#include "model/text/jinja/string_ops.h"

namespace gantry::jinja {
namespace {

using Bound = std::vector<const Value*>;

template <Case kCase>
absl::StatusOr<Value> CaseFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("a change of case", args, {}).status());
  GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime, self));
  GANTRY_ASSIGN_OR_RETURN(TextPtr changed, ChangeCase(runtime, *text, kCase));
  return Value(std::move(changed));
}

// A filter that is the str method of its name, on whatever str() makes of the value.
absl::StatusOr<Value> AsMethod(Runtime& runtime, const Value& self, const Args& args,
                               absl::string_view method) {
  GANTRY_ASSIGN_OR_RETURN(TextPtr text, ToText(runtime, self));
  return FindStringMethod(method)->function(runtime, Value(std::move(text)), args);
}

absl::StatusOr<Value> Trim(Runtime& runtime, const Value& self, const Args& args) {
  return AsMethod(runtime, self, args, "strip");
}

absl::StatusOr<Value> ReplaceFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("replace", args, {"old", "new", "count"}, 2));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime, self));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr from, ToText(runtime, *bound[0]));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr to, ToText(runtime, *bound[1]));
  const bool all = bound[2] == nullptr || bound[2]->IsNone();
  GANTRY_ASSIGN_OR_RETURN(const int64_t max, IntArg(all ? nullptr : bound[2], "count", -1));
  GANTRY_ASSIGN_OR_RETURN(TextPtr replaced, Replace(runtime, text, *from, *to, max));
  return Value(std::move(replaced));
}

absl::StatusOr<Value> CenterFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("center", args, {"width"}));
  Args width;
  width.positional.push_back(bound[0] != nullptr ? *bound[0] : Value(int64_t{80}));
  return AsMethod(runtime, self, width, "center");
}

absl::StatusOr<Value> StringFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("string", args, {}).status());
  GANTRY_ASSIGN_OR_RETURN(TextPtr text, ToText(runtime, self));
  return Value(std::move(text));
}

absl::StatusOr<Value> WordCount(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("wordcount", args, {}).status());
  GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime, self));
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> words, Split(runtime, text, nullptr, -1));
  return Value(static_cast<int64_t>(words.size()));
}

absl::StatusOr<Value> Escape(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("escape", args, {}).status());
  GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime, self));
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(text->bytes.size() * 2));
  TextBuilder out;
  for (CharReader reader(*text); !reader.done();) {
    switch (reader.Next()) {
      case '&':
        out.Append("&amp;", reader.user());
        break;
      case '<':
        out.Append("&lt;", reader.user());
        break;
      case '>':
        out.Append("&gt;", reader.user());
        break;
      case '"':
        out.Append("&#34;", reader.user());
        break;
      case '\'':
        out.Append("&#39;", reader.user());
        break;
      default:
        out.Append(*text, reader.begin(), reader.end());
    }
  }
  return Value(out.Build());
}

absl::StatusOr<Value> Indent(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("indent", args, {"width", "first", "blank"}));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime, self));
  Value indention;
  if (bound[0] != nullptr && bound[0]->IsString()) {
    indention = *bound[0];
  } else {
    GANTRY_ASSIGN_OR_RETURN(const int64_t width, IntArg(bound[0], "width", 4));
    GANTRY_ASSIGN_OR_RETURN(indention, Repeat(runtime, MakeString(" "), width));
  }
  const bool blank = BoolArg(bound[2], false);
  // The line end at the end makes the last line, even an empty one, a line.
  TextBuilder closed;
  closed.Append(*text);
  closed.Append("\n");
  GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> lines,
                          SplitLines(runtime, closed.Build(), false));
  TextBuilder out;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Text& line = *lines[i].text();
    GANTRY_RETURN_IF_ERROR(
        runtime.SpendBytes(1 + line.bytes.size() + indention.text()->bytes.size()));
    if (i > 0) out.Append("\n");
    const bool indents = i > 0 ? blank || !line.bytes.empty() : BoolArg(bound[1], false);
    if (indents) out.Append(*indention.text());
    out.Append(line);
  }
  return Value(out.Build());
}

absl::StatusOr<Value> FormatFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(TextPtr text, ToText(runtime, self));
  if (args.named.empty()) {
    return FormatPercent(runtime, Value(std::move(text)), runtime.NewTuple(args.positional));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [name, value] : args.named) entries.emplace_back(MakeString(name), value);
  GANTRY_ASSIGN_OR_RETURN(const Value dict, runtime.NewDict(std::move(entries)));
  return FormatPercent(runtime, Value(std::move(text)), dict);
}

absl::StatusOr<Value> ToJsonFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(
      const Bound bound,
      BindArgs("tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonFormat format;
  format.ensure_ascii = BoolArg(bound[0], false);
  format.sort_keys = BoolArg(bound[3], false);
  if (bound[1] != nullptr && !bound[1]->IsNone()) {
    format.pretty = true;
    format.item_separator = ",";
    if (bound[1]->IsString()) {
      format.indent = bound[1]->text()->bytes;
    } else {
      GANTRY_ASSIGN_OR_RETURN(const int64_t width, IntArg(bound[1], "indent", 0));
      if (width > 64) return absl::ResourceExhaustedError("tojson: an indent above 64");
      format.indent.assign(std::max<int64_t>(width, 0), ' ');
    }
  }
  if (bound[2] != nullptr && !bound[2]->IsNone()) {
    GANTRY_ASSIGN_OR_RETURN(const std::vector<Value> pair, Iterate(runtime, *bound[2]));
    if (pair.size() != 2 || !pair[0].IsString() || !pair[1].IsString()) {
      return absl::InvalidArgumentError("tojson: separators must be two strings");
    }
    format.item_separator = pair[0].text()->bytes;
    format.key_separator = pair[1].text()->bytes;
  }
  GANTRY_ASSIGN_OR_RETURN(TextPtr text, ToJson(runtime, self, format));
  return Value(std::move(text));
}

absl::StatusOr<Value> Default(Runtime&, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound,
                          BindArgs("default", args, {"default_value", "boolean"}));
  const bool replace = self.IsUndefined() || (BoolArg(bound[1], false) && !IsTrue(self));
  if (!replace) return self;
  return bound[0] != nullptr ? *bound[0] : MakeString("");
}

// int(text, base) as Python reads it, within 64 bits.
bool ParseInteger(absl::string_view text, int64_t base, int64_t* value) {
  std::string digits(absl::StripAsciiWhitespace(text));
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  const size_t sign = !digits.empty() && (digits[0] == '-' || digits[0] == '+');
  if (digits.size() > sign + 2 && digits[sign] == '0') {
    const char prefix = absl::ascii_tolower(static_cast<unsigned char>(digits[sign + 1]));
    if ((prefix == 'x' && base == 16) || (prefix == 'o' && base == 8) ||
        (prefix == 'b' && base == 2)) {
      digits.erase(sign, 2);
    }
  }
  if (digits.size() <= sign || !absl::ascii_isalnum(static_cast<unsigned char>(digits[sign]))) {
    return false;
  }
  char* end = nullptr;
  errno = 0;
  *value = std::strtoll(digits.c_str(), &end, static_cast<int>(base));
  return errno == 0 && *end == '\0';
}

absl::StatusOr<Value> Int(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("int", args, {"default", "base"}));
  if (self.IsUndefined()) return UndefinedError(self);
  GANTRY_ASSIGN_OR_RETURN(const int64_t base, IntArg(bound[1], "base", 10));
  if (base < 2 || base > 36) return absl::InvalidArgumentError("int: base must be 2 to 36");
  const Value fallback = bound[0] != nullptr ? *bound[0] : Value(int64_t{0});
  if (self.IsInteger()) return Value(self.integer());
  double number = NAN;
  if (self.Holds<double>()) number = self.As<double>();
  if (self.IsString()) {
    int64_t value = 0;
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(self.text()->bytes.size()));
    if (ParseInteger(self.text()->bytes, base, &value)) return Value(value);
    if (!absl::SimpleAtod(self.text()->bytes, &number)) return fallback;
  }
  if (!(std::abs(number) < 9.2e18)) return fallback;
  return Value(static_cast<int64_t>(number));
}

absl::StatusOr<Value> Float(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("float", args, {"default"}));
  if (self.IsUndefined()) return UndefinedError(self);
  if (self.IsNumber()) return Value(self.number());
  double number = 0;
  if (self.IsString() && absl::SimpleAtod(self.text()->bytes, &number)) return Value(number);
  return bound[0] != nullptr ? *bound[0] : Value(0.0);
}

absl::StatusOr<Value> Abs(Runtime&, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("abs", args, {}).status());
  if (self.Holds<double>()) return Value(std::abs(self.As<double>()));
  if (self.IsInteger() && self.integer() >= 0) return Value(self.integer());
  return Negate(self);
}

absl::StatusOr<Value> Round(Runtime&, const Value& self, const Args& args) {
  GANTRY_ASSIGN_OR_RETURN(const Bound bound, BindArgs("round", args, {"precision", "method"}));
  GANTRY_ASSIGN_OR_RETURN(const int64_t precision, IntArg(bound[0], "precision", 0));
  GANTRY_ASSIGN_OR_RETURN(const TextPtr method, TextArg(bound[1], "method", "common"));
  if (self.IsUndefined()) return UndefinedError(self);
  if (!self.IsNumber()) return absl::InvalidArgumentError("round: expected a number");
  if (std::abs(precision) > 300) return absl::InvalidArgumentError("round: precision beyond 300");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double number = self.number();
  if (method->bytes == "ceil") return Value(std::ceil(number * scale) / scale);
  if (method->bytes == "floor") return Value(std::floor(number * scale) / scale);
  if (method->bytes != "common") {
    return absl::InvalidArgumentError("round: method must be common, ceil or floor");
  }
  if (self.IsInteger() && precision >= 0) return Value(self.integer());
  if (precision < 0) {
    const double rounded =
        std::nearbyint(number / std::pow(10.0, -precision)) * std::pow(10.0, -precision);
    if (self.IsInteger() && std::abs(rounded) < 9e18) return Value(static_cast<int64_t>(rounded));
    return Value(rounded);
  }
  // Through decimal digits: number * scale would round twice.
  char digits[800];
  std::snprintf(digits, sizeof(digits), "%.*f", static_cast<int>(precision), number);
  return Value(std::strtod(digits, nullptr));
}

absl::StatusOr<Value> LengthFilter(Runtime& runtime, const Value& self, const Args& args) {
  GANTRY_RETURN_IF_ERROR(BindArgs("length", args, {}).status());
  GANTRY_ASSIGN_OR_RETURN(const int64_t length, Length(runtime, self));
  return Value(length);
}

constexpr Builtin kFilters[] = {
    {"trim", Trim},
    {"replace", ReplaceFilter},
    {"upper", CaseFilter<Case::kUpper>},
    {"lower", CaseFilter<Case::kLower>},
    {"title", CaseFilter<Case::kTitleFilter>},
    {"capitalize", CaseFilter<Case::kCapitalize>},
    {"center", CenterFilter},
    {"string", StringFilter},
    {"safe", StringFilter},
    {"escape", Escape},
    {"e", Escape},
    {"forceescape", Escape},
    {"wordcount", WordCount},
    {"indent", Indent},
    {"format", FormatFilter},
    {"tojson", ToJsonFilter},
    {"default", Default},
    {"d", Default},
    {"int", Int},
    {"float", Float},
    {"abs", Abs},
    {"round", Round},
    {"length", LengthFilter},
    {"count", LengthFilter},
};

}  // namespace

const Builtin* FindFilter(absl::string_view name) {
  const Builtin* filter = FindBuiltin(kFilters, name);
  return filter != nullptr ? filter : FindSequenceFilter(name);
}

}  // namespace gantry::jinja
