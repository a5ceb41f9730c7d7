#include "model/safetensors.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr int kMaxDepth = 8;

struct FormatType {
  absl::string_view name;
  int bits;
};
constexpr FormatType kFormatTypes[] = {
    {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
    {"U16", 16}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
    {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
};

const FormatType* FindFormatType(absl::string_view name) {
  for (const FormatType& type : kFormatTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

absl::Status TensorError(absl::string_view name, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("tensor \"", Excerpt(name), "\": ", text));
}

// A list of integers in [0, 2^64). Counts such as 2.0 or "2" do not pass.
bool ReadCounts(const Json* list, std::vector<uint64_t>* counts) {
  if (list == nullptr || !list->is_array()) return false;
  for (const Json& element : *list) {
    if (!element.is_number_unsigned()) return false;
    counts->push_back(element.get<uint64_t>());
  }
  return true;
}

absl::StatusOr<SafetensorsEntry> ParseEntry(const std::string& name, const Json& json) {
  SafetensorsEntry entry;
  entry.name = name;
  const Json* dtype = FindMember(json, "dtype");
  if (dtype == nullptr || !dtype->is_string()) {
    return TensorError(name, "expected a dtype, found " +
                                 (dtype == nullptr ? std::string("none") : ExcerptJson(*dtype)));
  }
  entry.dtype_name = dtype->get_ref<const std::string&>();
  entry.dtype = DTypeFromSafetensors(entry.dtype_name);
  if (FindFormatType(entry.dtype_name) == nullptr) {
    return TensorError(name, absl::StrCat("unknown dtype \"", Excerpt(entry.dtype_name), "\""));
  }
  if (!ReadCounts(FindMember(json, "shape"), &entry.shape)) {
    return TensorError(name, "expected a shape, a list of integers of 0 or more");
  }
  std::vector<uint64_t> offsets;
  if (!ReadCounts(FindMember(json, "data_offsets"), &offsets) || offsets.size() != 2) {
    return TensorError(name, "expected data_offsets, a list of two integers of 0 or more");
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return entry;
}

absl::Status CheckMetadata(const Json& json) {
  if (json.is_null()) return absl::OkStatus();
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("__metadata__: expected an object, found ", ExcerptJson(json)));
  }
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat("__metadata__: expected a string for \"",
                                                     Excerpt(key), "\", found ",
                                                     ExcerptJson(value)));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSize(const SafetensorsEntry& entry) {
  uint64_t elements = 1;
  bool fits = true;
  for (const uint64_t dim : entry.shape) fits = fits && CheckedMultiply(elements, dim, &elements);
  uint64_t bits = 0;
  if (!fits || !CheckedMultiply(elements, FindFormatType(entry.dtype_name)->bits, &bits)) {
    return TensorError(entry.name, "the shape has more elements than can be counted");
  }
  if (bits % 8 != 0) return TensorError(entry.name, "the data does not fill whole bytes");
  if (bits / 8 != entry.end - entry.begin) {
    return TensorError(
        entry.name, absl::StrCat("shape [", Excerpt(absl::StrJoin(entry.shape, ", ")), "] of ",
                                 entry.dtype_name, " takes ", bits / 8, " bytes, data_offsets [",
                                 entry.begin, ", ", entry.end, "] give ", entry.end - entry.begin));
  }
  return absl::OkStatus();
}

absl::StatusOr<SafetensorsHeader> ReadHeader(const File& file) {
  if (file.size() < kLengthBytes) {
    return absl::DataLossError(absl::StrCat("expected at least ", kLengthBytes,
                                            " bytes of header length, found ", file.size()));
  }
  char length_bytes[kLengthBytes];
  GANTRY_RETURN_IF_ERROR(file.ReadAt(0, kLengthBytes, length_bytes));
  if (absl::string_view(length_bytes, kLengthBytes) == "version ") {
    return absl::InvalidArgumentError(
        "this is a Git LFS pointer and not the weights; fetch them with git lfs pull");
  }
  uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) {
    length = length << 8 | static_cast<unsigned char>(length_bytes[i]);
  }
  if (length > kMaxSafetensorsHeader) {
    return absl::InvalidArgumentError(absl::StrCat("the header claims ", length, " bytes; at most ",
                                                   kMaxSafetensorsHeader, " are accepted"));
  }
  if (length > file.size() - kLengthBytes) {
    return absl::DataLossError(absl::StrCat(
        "the header claims ", length, " bytes, the file ends after ", file.size() - kLengthBytes));
  }
  std::string text(length, '\0');
  GANTRY_RETURN_IF_ERROR(file.ReadAt(kLengthBytes, length, text.data()));
  SafetensorsHeader header;
  header.data_begin = kLengthBytes + length;
  header.hash = Fnv1a(text);
  GANTRY_ASSIGN_OR_RETURN(header.entries,
                          ParseSafetensorsHeader(text, file.size() - header.data_begin));
  return header;
}

}  // namespace

absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensorsHeader(absl::string_view header,
                                                                     uint64_t data_bytes) {
  if (!absl::StartsWith(header, "{")) {
    return absl::InvalidArgumentError("the header does not begin with \"{\"");
  }
  if (!IsValidUtf8(header)) return absl::InvalidArgumentError("the header is not valid UTF-8");
  JsonLimits limits;
  limits.max_bytes = kMaxSafetensorsHeader;
  limits.max_depth = kMaxDepth;
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseJson(header, "the header", limits));

  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, value] : json.get_ref<const Json::object_t&>()) {
    if (name == "__metadata__") {
      GANTRY_RETURN_IF_ERROR(CheckMetadata(value));
      continue;
    }
    GANTRY_ASSIGN_OR_RETURN(SafetensorsEntry entry, ParseEntry(name, value));
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
              return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
            });
  uint64_t covered = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.end < entry.begin) {
      return TensorError(entry.name, absl::StrCat("data_offsets [", entry.begin, ", ", entry.end,
                                                  "] end before they begin"));
    }
    if (entry.begin != covered) {
      return TensorError(
          entry.name, absl::StrCat("data_offsets [", entry.begin, ", ", entry.end, "] ",
                                   entry.begin < covered ? "overlap the tensor before"
                                                         : "leave a hole behind the tensor before",
                                   ", which ends at ", covered));
    }
    GANTRY_RETURN_IF_ERROR(CheckSize(entry));
    covered = entry.end;
  }
  if (covered > data_bytes) {
    return absl::DataLossError(absl::StrCat("the tensors take ", covered,
                                            " bytes of data, the file has ", data_bytes,
                                            "; is it truncated?"));
  }
  if (covered < data_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the tensors take ", covered,
                                                   " bytes of data, the file has ", data_bytes,
                                                   ": no tensor covers the rest"));
  }
  return entries;
}

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const File& file) {
  absl::StatusOr<SafetensorsHeader> header = ReadHeader(file);
  if (!header.ok()) return Annotate(header.status(), file.path());
  return header;
}

absl::Status WrongTensor(const File& file, absl::string_view name, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": tensor \"", name, "\": ", text));
}

}  // namespace gantry
