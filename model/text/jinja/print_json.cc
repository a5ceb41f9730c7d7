#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/jinja/operators.h"
#include "model/text/jinja/print.h"

namespace gantry::jinja {
namespace {

constexpr int kMaxDepth = 100;

std::string EscapeChar(char32_t c, bool ensure_ascii) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\f':
      return "\\f";
    case '\b':
      return "\\b";
    default:
      break;
  }
  std::string out;
  if (c >= 0x20 && (c < 0x7F || !ensure_ascii)) {
    AppendUtf8(c, &out);
    return out;
  }
  const auto code = static_cast<uint32_t>(c);
  if (code < 0x10000) return absl::StrFormat("\\u%04x", code);
  return absl::StrFormat("\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                         0xDC00 + ((code - 0x10000) & 0x3FF));
}

class JsonPrinter {
 public:
  JsonPrinter(Runtime& runtime, const JsonFormat& format) : runtime_(runtime), format_(format) {}

  absl::Status Print(const Value& value, int depth) {
    GANTRY_RETURN_IF_ERROR(runtime_.Spend(1));
    GANTRY_RETURN_IF_ERROR(runtime_.SpendBytes(16));
    if (depth > kMaxDepth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("tojson: nested deeper than ", kMaxDepth, " levels"));
    }
    if (value.IsString()) return PrintString(*value.text());
    if (value.Holds<const List*>()) return PrintList(*value.As<const List*>(), depth);
    if (value.Holds<const Dict*>()) return PrintDict(*value.As<const Dict*>(), depth);
    GANTRY_ASSIGN_OR_RETURN(const std::string scalar, Scalar(value));
    out_.Append(scalar);
    return absl::OkStatus();
  }
  TextPtr Build() { return out_.Build(); }

 private:
  absl::StatusOr<std::string> Scalar(const Value& value) {
    if (value.IsNone()) return std::string("null");
    if (value.Holds<bool>()) return std::string(value.As<bool>() ? "true" : "false");
    if (value.Holds<int64_t>()) return absl::StrCat(value.As<int64_t>());
    if (value.Holds<double>()) {
      const std::string repr = FloatRepr(value.As<double>());
      return repr == "nan"    ? "NaN"
             : repr == "inf"  ? "Infinity"
             : repr == "-inf" ? "-Infinity"
                              : repr;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "tojson: a value of type ", std::string(TypeName(value)), " has no JSON form"));
  }

  absl::Status PrintString(const Text& text) {
    GANTRY_RETURN_IF_ERROR(runtime_.SpendBytes(text.bytes.size() * 2));
    out_.Append("\"");
    for (CharReader reader(text); !reader.done();) {
      const char32_t c = reader.Next();
      out_.Append(EscapeChar(c, format_.ensure_ascii), reader.user());
    }
    out_.Append("\"");
    return absl::OkStatus();
  }

  absl::Status NewLine(int depth) {
    if (!format_.pretty) return absl::OkStatus();
    GANTRY_RETURN_IF_ERROR(runtime_.SpendBytes(1 + depth * format_.indent.size()));
    out_.Append("\n");
    for (int i = 0; i < depth; ++i) out_.Append(format_.indent);
    return absl::OkStatus();
  }

  absl::Status Separate(bool first, int depth) {
    if (!first) out_.Append(format_.item_separator);
    GANTRY_RETURN_IF_ERROR(
        runtime_.SpendBytes(format_.item_separator.size() + format_.key_separator.size()));
    return NewLine(depth);
  }

  absl::Status PrintList(const List& list, int depth) {
    out_.Append("[");
    bool first = true;
    for (const Value& item : list.items) {
      GANTRY_RETURN_IF_ERROR(Separate(first, depth + 1));
      GANTRY_RETURN_IF_ERROR(Print(item, depth + 1));
      first = false;
    }
    if (!first) GANTRY_RETURN_IF_ERROR(NewLine(depth));
    out_.Append("]");
    return absl::OkStatus();
  }

  absl::Status PrintKey(const Value& key) {
    if (key.IsString()) return PrintString(*key.text());
    GANTRY_ASSIGN_OR_RETURN(const std::string scalar, Scalar(key));
    out_.Append(absl::StrCat("\"", scalar, "\""));
    return absl::OkStatus();
  }

  absl::Status PrintDict(const Dict& dict, int depth) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (format_.sort_keys) {
      GANTRY_RETURN_IF_ERROR(
          StableSort(runtime_, &entries, [](const auto* e) { return e->first; }));
    }
    out_.Append("{");
    bool first = true;
    for (const auto* entry : entries) {
      GANTRY_RETURN_IF_ERROR(Separate(first, depth + 1));
      GANTRY_RETURN_IF_ERROR(PrintKey(entry->first));
      out_.Append(format_.key_separator);
      GANTRY_RETURN_IF_ERROR(Print(entry->second, depth + 1));
      first = false;
    }
    if (!first) GANTRY_RETURN_IF_ERROR(NewLine(depth));
    out_.Append("}");
    return absl::OkStatus();
  }

  Runtime& runtime_;
  const JsonFormat& format_;
  TextBuilder out_;
};

}  // namespace

absl::StatusOr<TextPtr> ToJson(Runtime& runtime, const Value& value, const JsonFormat& format) {
  JsonPrinter printer(runtime, format);
  GANTRY_RETURN_IF_ERROR(printer.Print(value, 0));
  return printer.Build();
}

}  // namespace gantry::jinja
