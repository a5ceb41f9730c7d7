#include "model/text/jinja/format_spec.h"

#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/jinja/print.h"
#include "model/text/jinja/string_ops.h"

namespace gantry::jinja {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxPrecision = 300;

// The digits of a magnitude, without sign.
std::string IntegerDigits(uint64_t magnitude, const FormatSpec& spec) {
  const int base = spec.type == 'x' || spec.type == 'X' ? 16
                   : spec.type == 'o'                   ? 8
                   : spec.type == 'b'                   ? 2
                                                        : 10;
  const char* digits = spec.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do out.insert(out.begin(), digits[magnitude % base]);
  while ((magnitude /= base) != 0);
  if (spec.alternate && base != 10) out = absl::StrCat("0", std::string(1, spec.type), out);
  return out;
}

std::string FloatDigits(double magnitude, const FormatSpec& spec) {
  if (spec.type == 0 && spec.precision < 0) return FloatRepr(magnitude);
  const char type = spec.type == 0 ? 'g' : spec.type == '%' ? 'f' : spec.type;
  const std::string format = absl::StrCat(spec.alternate ? "%#" : "%", ".*", std::string(1, type));
  char buffer[1024];  // 309 digits and the precision
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  const int length = std::snprintf(buffer, sizeof(buffer), format.c_str(), precision,
                                   spec.type == '%' ? magnitude * 100 : magnitude);
  return absl::StrCat(std::string(buffer, length), spec.type == '%' ? "%" : "");
}

void GroupThousands(std::string* digits) {
  size_t end = digits->find_first_not_of("0123456789");
  if (end == std::string::npos) end = digits->size();
  for (size_t at = end; at > 3; at -= 3) digits->insert(at - 3, ",");
}

absl::StatusOr<std::string> NumberText(const Value& value, const FormatSpec& spec) {
  const bool as_float =
      spec.type == 0 ? value.Holds<double>()
                     : absl::string_view("fFeEgG%").find(spec.type) != absl::string_view::npos;
  bool negative = false;
  std::string digits;
  if (as_float) {
    negative = std::signbit(value.number());
    digits = FloatDigits(std::abs(value.number()), spec);
  } else {
    const int64_t integer = value.integer();
    negative = integer < 0;
    digits = IntegerDigits(negative ? uint64_t{0} - static_cast<uint64_t>(integer) : integer, spec);
  }
  if (spec.grouped) GroupThousands(&digits);
  const std::string sign = negative           ? std::string(1, '-')
                           : spec.sign == '-' ? std::string()
                                              : std::string(1, spec.sign);
  if (spec.align == '=' && spec.fill == "0") {
    const int64_t missing = spec.width - static_cast<int64_t>(sign.size() + digits.size());
    if (missing > 0) digits.insert(0, missing, '0');
  }
  return absl::StrCat(sign, digits);
}

}  // namespace

absl::StatusOr<TextPtr> FormatValue(Runtime& runtime, const Value& value, const FormatSpec& spec) {
  if (spec.width > kMaxWidth || spec.precision > kMaxPrecision) {
    return absl::ResourceExhaustedError("a format with a width or precision out of proportion");
  }
  const bool text_type = spec.type == 's' || (spec.type == 0 && !value.IsNumber());
  TextPtr text;
  if (text_type) {
    GANTRY_ASSIGN_OR_RETURN(text, ToText(runtime, value));
    if (spec.precision >= 0) text = Substring(text, 0, CharOffset(*text, spec.precision));
  } else {
    const bool integer_type = absl::string_view("dxXob").find(spec.type) != absl::string_view::npos;
    if (!value.IsNumber() || (integer_type && spec.type != 0 && !value.IsInteger())) {
      return absl::InvalidArgumentError(
          absl::StrCat("a value of type ", std::string(TypeName(value)),
                       " cannot be formatted as '", std::string(1, spec.type), "'"));
    }
    if (spec.type == 0 && value.Holds<bool>() && spec.width == 0) return ToText(runtime, value);
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(spec.width + 1024));
    GANTRY_ASSIGN_OR_RETURN(std::string digits, NumberText(value, spec));
    text = TrustedText(std::move(digits));
  }
  const int64_t missing = spec.width - static_cast<int64_t>(CharCount(*text));
  if (missing <= 0) return text;
  const char align = spec.align != 0 ? spec.align : text_type ? '<' : '>';
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  return Pad(runtime, text, left, missing - left, *TrustedText(spec.fill));
}

}  // namespace gantry::jinja
