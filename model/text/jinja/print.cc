#include "model/text/jinja/print.h"

#include <cctype>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/jinja/unicode.h"

namespace gantry::jinja {
namespace {

constexpr int kMaxDepth = 100;

void AppendStringRepr(const Text& text, TextBuilder* out) {
  const bool single = text.bytes.find('\'') != std::string::npos;
  const char quote = single && text.bytes.find('"') == std::string::npos ? '"' : '\'';
  out->Append(std::string(1, quote));
  for (CharReader reader(text); !reader.done();) {
    const char32_t c = reader.Next();
    if (c == '\n') {
      out->Append("\\n", reader.user());
    } else if (c == '\r') {
      out->Append("\\r", reader.user());
    } else if (c == '\t') {
      out->Append("\\t", reader.user());
    } else if (c == '\\' || c == static_cast<char32_t>(quote)) {
      out->Append(absl::StrCat("\\", std::string(1, static_cast<char>(c))), reader.user());
    } else if (IsPrintable(c)) {
      out->Append(text, reader.begin(), reader.end());
    } else {
      const auto code = static_cast<uint32_t>(c);
      out->Append(c < 0x100     ? absl::StrFormat("\\x%02x", code)
                  : c < 0x10000 ? absl::StrFormat("\\u%04x", code)
                                : absl::StrFormat("\\U%08x", code),
                  reader.user());
    }
  }
  out->Append(std::string(1, quote));
}

absl::Status AppendListRepr(Runtime& runtime, const List& list, int depth, TextBuilder* out) {
  out->Append(list.tuple ? "(" : "[");
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out->Append(", ");
    GANTRY_RETURN_IF_ERROR(AppendRepr(runtime, list.items[i], depth + 1, out));
  }
  out->Append(list.tuple ? (list.items.size() == 1 ? ",)" : ")") : "]");
  return absl::OkStatus();
}

absl::Status AppendDictRepr(Runtime& runtime, const Dict& dict, int depth, TextBuilder* out) {
  out->Append("{");
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (!first) out->Append(", ");
    first = false;
    GANTRY_RETURN_IF_ERROR(AppendRepr(runtime, key, depth + 1, out));
    out->Append(": ");
    GANTRY_RETURN_IF_ERROR(AppendRepr(runtime, value, depth + 1, out));
  }
  out->Append("}");
  return absl::OkStatus();
}

}  // namespace

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  char* end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string scientific(buffer, end);
  const size_t e = scientific.find('e');
  const int exponent = std::atoi(scientific.c_str() + e + 1);
  if (exponent < -4 || exponent >= 16) return scientific;
  char fixed[64];
  end = std::to_chars(fixed, fixed + sizeof(fixed), value, std::chars_format::fixed).ptr;
  std::string text(fixed, end);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

absl::Status AppendRepr(Runtime& runtime, const Value& value, int depth, TextBuilder* out) {
  GANTRY_RETURN_IF_ERROR(runtime.Spend(1));
  if (depth > kMaxDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a value nested deeper than ", kMaxDepth, " levels is printed"));
  }
  if (value.IsString()) {
    GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(2 + 2 * value.text()->bytes.size()));
    AppendStringRepr(*value.text(), out);
    return absl::OkStatus();
  }
  GANTRY_RETURN_IF_ERROR(runtime.SpendBytes(16));
  if (value.Holds<const List*>()) {
    return AppendListRepr(runtime, *value.As<const List*>(), depth, out);
  }
  if (value.Holds<const Dict*>()) {
    return AppendDictRepr(runtime, *value.As<const Dict*>(), depth, out);
  }
  if (value.IsUndefined()) {
    out->Append("Undefined");
    return absl::OkStatus();
  }
  GANTRY_ASSIGN_OR_RETURN(const TextPtr text, ToText(runtime, value));
  out->Append(*text);
  return absl::OkStatus();
}

absl::StatusOr<TextPtr> ToText(Runtime& runtime, const Value& value) {
  if (value.IsString()) return value.text();
  if (value.IsUndefined()) return TrustedText("");
  if (value.IsNone()) return TrustedText("None");
  if (value.Holds<bool>()) return TrustedText(value.As<bool>() ? "True" : "False");
  if (value.Holds<int64_t>()) return TrustedText(absl::StrCat(value.As<int64_t>()));
  if (value.Holds<double>()) return TrustedText(FloatRepr(value.As<double>()));
  if (value.Holds<const List*>() || value.Holds<const Dict*>()) {
    TextBuilder out;
    GANTRY_RETURN_IF_ERROR(AppendRepr(runtime, value, 0, &out));
    return out.Build();
  }
  return TrustedText(absl::StrCat("<", std::string(TypeName(value)), ">"));
}

}  // namespace gantry::jinja
