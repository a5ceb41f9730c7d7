#include "model/text/jinja/format.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/jinja/format_spec.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/print.h"

namespace gantry::jinja {
namespace {

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// A number at s[*pos], capped; -1 when there is none.
int64_t ReadNumber(absl::string_view s, size_t* pos) {
  if (*pos >= s.size() || !IsDigit(s[*pos])) return -1;
  int64_t number = 0;
  for (; *pos < s.size() && IsDigit(s[*pos]); ++*pos) {
    number = std::min<int64_t>(number * 10 + (s[*pos] - '0'), int64_t{1} << 40);
  }
  return number;
}

// Hands out the values of a format in order.
class Values {
 public:
  explicit Values(const Value& values) : values_(values) {
    if (values.Holds<const List*>() && values.As<const List*>()->tuple) {
      list_ = &values.As<const List*>()->items;
    }
  }
  absl::StatusOr<Value> Next() {
    const size_t at = next_++;
    if (list_ == nullptr && at == 0) return values_;
    if (list_ != nullptr && at < list_->size()) return (*list_)[at];
    return absl::InvalidArgumentError("not enough arguments for the format string");
  }
  absl::StatusOr<Value> Named(absl::string_view name) {
    named_ = true;
    const Value* found =
        values_.Holds<const Dict*>() ? values_.As<const Dict*>()->Find(name) : nullptr;
    if (found != nullptr) return *found;
    return absl::InvalidArgumentError(absl::StrCat("format: there is no value \"", name, "\""));
  }
  bool AllUsed() const {
    if (list_ != nullptr) return next_ >= list_->size();
    return named_ || next_ > 0 || values_.Holds<const Dict*>();
  }

 private:
  const Value& values_;
  const std::vector<Value>* list_ = nullptr;
  size_t next_ = 0;
  bool named_ = false;
};

absl::StatusOr<TextPtr> PercentItem(Runtime& runtime, Value value, FormatSpec spec) {
  switch (spec.type) {
    case 's':
    case 'r': {
      if (spec.type == 'r') {
        TextBuilder repr;
        GANTRY_RETURN_IF_ERROR(AppendRepr(runtime, value, 0, &repr));
        value = Value(repr.Build());
      }
      spec.type = 's';
      if (spec.align == 0 || spec.align == '=') spec.align = '>';
      spec.fill = " ";
      return FormatValue(runtime, value, spec);
    }
    case 'd':
    case 'i':
    case 'u':
      spec.type = 'd';
      spec.precision = -1;
      if (value.Holds<double>() && std::abs(value.As<double>()) < 9e18) {
        value = Value(static_cast<int64_t>(value.As<double>()));
      }
      return FormatValue(runtime, value, spec);
    case 'c':
      if (value.IsString() && CharCount(*value.text()) == 1) return value.text();
      return absl::InvalidArgumentError("%c needs one character");
    default:
      if (absl::string_view("xXofFeEgG").find(spec.type) != absl::string_view::npos) {
        return FormatValue(runtime, value, spec);
      }
      return absl::InvalidArgumentError(
          absl::StrCat("unsupported format character '", std::string(1, spec.type), "'"));
  }
}

// The sign, zero and alignment that printf's flags ask for.
FormatSpec ReadFlags(absl::string_view s, size_t* pos) {
  FormatSpec spec;
  bool zero = false;
  for (; *pos < s.size(); ++*pos) {
    const char c = s[*pos];
    if (c == '-') {
      spec.align = '<';
    } else if (c == '0') {
      zero = true;
    } else if (c == '+' || (c == ' ' && spec.sign != '+')) {
      spec.sign = c;
    } else if (c == '#') {
      spec.alternate = true;
    } else if (c != ' ') {
      break;
    }
  }
  if (zero && spec.align == 0) {
    spec.align = '=';
    spec.fill = "0";
  }
  return spec;
}

absl::StatusOr<FormatSpec> ReadBraceSpec(absl::string_view s) {
  FormatSpec spec;
  size_t pos = 0;
  if (s.empty()) return spec;
  size_t after_fill = 0;
  NextChar(s, &after_fill);
  auto is_align = [&](size_t at) {
    return at < s.size() && absl::string_view("<>^=").find(s[at]) != absl::string_view::npos;
  };
  if (is_align(after_fill)) {
    spec.fill = std::string(s.substr(0, after_fill));
    spec.align = s[after_fill];
    pos = after_fill + 1;
  } else if (is_align(0)) {
    spec.align = s[0];
    pos = 1;
  }
  if (pos < s.size() && (s[pos] == '+' || s[pos] == '-' || s[pos] == ' ')) spec.sign = s[pos++];
  if (pos < s.size() && s[pos] == '#') {
    spec.alternate = true;
    ++pos;
  }
  if (pos < s.size() && s[pos] == '0' && spec.align == 0) {
    spec.align = '=';
    spec.fill = "0";
  }
  spec.width = std::max<int64_t>(ReadNumber(s, &pos), 0);
  if (pos < s.size() && s[pos] == ',') {
    spec.grouped = true;
    ++pos;
  }
  if (pos < s.size() && s[pos] == '.') {
    ++pos;
    spec.precision = ReadNumber(s, &pos);
    if (spec.precision < 0) return absl::InvalidArgumentError("format: precision is missing");
  }
  if (pos < s.size()) spec.type = s[pos++];
  if (pos != s.size() ||
      absl::string_view("\0sdxXobfFeEgG%", 14).find(spec.type) == absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("format: unsupported format \"", s, "\""));
  }
  return spec;
}

absl::StatusOr<Value> BraceValue(absl::string_view field, const Args& args, size_t* next) {
  size_t pos = 0;
  const int64_t number = ReadNumber(field, &pos);
  if (pos == field.size()) {
    const size_t at = number < 0 ? (*next)++ : number;
    if (at < args.positional.size()) return args.positional[at];
  } else {
    for (const auto& [name, value] : args.named) {
      if (field == name) return value;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("format: there is no value \"", field, "\""));
}

}  // namespace

absl::StatusOr<Value> FormatPercent(Runtime& runtime, const Value& format, const Value& values) {
  const Text& text = *format.text();
  const absl::string_view s = text.bytes;
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(s.size()));
  Values source(values);
  TextBuilder out;
  size_t pos = 0;
  while (pos < s.size()) {
    const size_t percent = std::min(s.find('%', pos), s.size());
    out.Append(text, pos, percent);
    if (percent == s.size()) break;
    pos = percent + 1;
    absl::string_view name;
    const bool named = pos < s.size() && s[pos] == '(';
    if (named) {
      const size_t close = s.find(')', pos);
      if (close == absl::string_view::npos)
        return absl::InvalidArgumentError("incomplete format key");
      name = s.substr(pos + 1, close - pos - 1);
      pos = close + 1;
    }
    FormatSpec spec = ReadFlags(s, &pos);
    spec.width = std::max<int64_t>(ReadNumber(s, &pos), 0);
    if (pos < s.size() && s[pos] == '.') {
      ++pos;
      spec.precision = std::max<int64_t>(ReadNumber(s, &pos), 0);
    }
    if (pos >= s.size()) return absl::InvalidArgumentError("incomplete format");
    spec.type = s[pos++];
    if (spec.type == '%') {
      out.Append(text, pos - 1, pos);
      continue;
    }
    GANTRY_ASSIGN_OR_RETURN(Value value, named ? source.Named(name) : source.Next());
    GANTRY_ASSIGN_OR_RETURN(const TextPtr item, PercentItem(runtime, std::move(value), spec));
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(item->bytes.size()));
    out.Append(*item);
  }
  if (!source.AllUsed()) {
    return absl::InvalidArgumentError("not all arguments converted during string formatting");
  }
  return Value(out.Build());
}

absl::StatusOr<Value> FormatBraces(Runtime& runtime, const Text& format, const Args& args) {
  const absl::string_view s = format.bytes;
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(s.size()));
  TextBuilder out;
  size_t next = 0;
  size_t pos = 0;
  while (pos < s.size()) {
    const size_t brace = std::min(s.find_first_of("{}", pos), s.size());
    out.Append(format, pos, brace);
    if (brace == s.size()) break;
    pos = brace + 1;
    if (pos < s.size() && s[pos] == s[brace]) {
      out.Append(format, pos, pos + 1);
      ++pos;
      continue;
    }
    const size_t close = s.find('}', pos);
    if (s[brace] == '}' || close == absl::string_view::npos) {
      return absl::InvalidArgumentError("format: a single brace in the format string");
    }
    const absl::string_view field = s.substr(pos, close - pos);
    const size_t colon = std::min(field.find(':'), field.size());
    GANTRY_ASSIGN_OR_RETURN(const Value value, BraceValue(field.substr(0, colon), args, &next));
    GANTRY_ASSIGN_OR_RETURN(
        const FormatSpec spec,
        ReadBraceSpec(colon < field.size() ? field.substr(colon + 1) : absl::string_view()));
    GANTRY_ASSIGN_OR_RETURN(const TextPtr item, FormatValue(runtime, value, spec));
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(item->bytes.size()));
    out.Append(*item);
    pos = close + 1;
  }
  return Value(out.Build());
}

}  // namespace gantry::jinja
