#include "model/quant_state.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr int kMaxDepth = 8;
constexpr int64_t kMaxSize = int64_t{1} << 31;

absl::Status CheckKeys(const Json& json) {
  static const auto* const kKnown =
      new std::set<std::string>{"quant_type",       "blocksize",    "dtype",        "shape",
                                "nested_blocksize", "nested_dtype", "nested_offset"};
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a JSON object, found ", ExcerptJson(json)));
  }
  for (const auto& entry : json.items()) {
    if (kKnown->count(entry.key()) == 0) {
      return WrongField(Excerpt(entry.key()),
                        "no field but quant_type, blocksize, dtype, shape and "
                        "nested_blocksize, nested_dtype, nested_offset",
                        ExcerptJson(entry.value()));
    }
  }
  return absl::OkStatus();
}

absl::Status ParseShape(const Json& json, QuantState* state) {
  const Json* shape = FindMember(json, "shape");
  const bool pair = shape != nullptr && shape->is_array() && shape->size() == 2;
  for (size_t i = 0; i < 2; ++i) {
    const Json* size = pair ? &(*shape)[i] : nullptr;
    if (size == nullptr || !size->is_number_unsigned() || size->get<uint64_t>() < 1 ||
        size->get<uint64_t>() > kMaxSize) {
      return WrongField("shape", "a list of two sizes, [out, in]",
                        shape == nullptr ? "nothing" : ExcerptJson(*shape));
    }
    (i == 0 ? state->rows : state->cols) = static_cast<int64_t>(size->get<uint64_t>());
  }
  return absl::OkStatus();
}

// Either all of the nested fields are there or none is.
absl::Status ParseNested(const Json& json, QuantState* state) {
  int present = 0;
  for (const char* key : {"nested_blocksize", "nested_dtype", "nested_offset"}) {
    present += FindMember(json, key) != nullptr;
  }
  if (present == 0) return absl::OkStatus();
  GANTRY_ASSIGN_OR_RETURN(const int64_t block,
                          GetInt(json, "nested_blocksize", 1, int64_t{1} << 31));
  if (block != kNestedBlockSize) {
    return WrongField("nested_blocksize", absl::StrCat(kNestedBlockSize), absl::StrCat(block));
  }
  GANTRY_ASSIGN_OR_RETURN(const std::string dtype, GetString(json, "nested_dtype"));
  if (DTypeFromTorch(dtype) != DType::kF32) {
    return WrongField("nested_dtype", "\"float32\"", ExcerptJson(Json(dtype)));
  }
  constexpr double kMost = 3.4e38;
  GANTRY_ASSIGN_OR_RETURN(const double offset, GetDouble(json, "nested_offset", -kMost, kMost));
  state->nested_offset = static_cast<float>(offset);
  state->scheme.double_quant = true;
  return absl::OkStatus();
}

// As Python's repr: the fewest digits that read the same; of two the even one.
std::string PythonFloat(double value) {
  char text[32];
  const double magnitude = std::fabs(value);
  const bool is_fixed = value == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const std::to_chars_result end =
      std::to_chars(text, text + sizeof(text), value,
                    is_fixed ? std::chars_format::fixed : std::chars_format::scientific);
  std::string result(text, end.ptr);
  if (is_fixed && result.find('.') == std::string::npos) result += ".0";
  return result;
}

}  // namespace

absl::StatusOr<QuantState> ParseQuantState(absl::string_view text, Scheme type) {
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError("expected JSON in UTF-8");
  JsonLimits limits;
  limits.max_bytes = kMaxQuantStateBytes;
  limits.max_depth = kMaxDepth;
  GANTRY_ASSIGN_OR_RETURN(const Json json, ParseJson(text, "its JSON", limits));
  GANTRY_RETURN_IF_ERROR(CheckKeys(json));
  QuantState state;
  state.scheme.scheme = type;
  GANTRY_ASSIGN_OR_RETURN(const std::string quant_type, GetString(json, "quant_type"));
  if (quant_type != SchemeName(type)) {
    return WrongField("quant_type",
                      absl::StrCat("\"", SchemeName(type), "\", as the tensor's name says"),
                      ExcerptJson(Json(quant_type)));
  }
  GANTRY_ASSIGN_OR_RETURN(state.scheme.block_size, GetInt(json, "blocksize", 1, kMaxSize));
  if (!IsBlockSize(state.scheme.block_size)) {
    return WrongField("blocksize", "a power of two from 32 to 4096",
                      absl::StrCat(state.scheme.block_size));
  }
  GANTRY_ASSIGN_OR_RETURN(const std::string dtype, GetString(json, "dtype"));
  const std::optional<DType> known = DTypeFromTorch(dtype);
  if (!known.has_value() || !IsFloat(*known)) {
    return WrongField("dtype", "\"float32\", \"float16\" or \"bfloat16\"",
                      ExcerptJson(Json(dtype)));
  }
  state.dtype = *known;
  GANTRY_RETURN_IF_ERROR(ParseShape(json, &state));
  GANTRY_RETURN_IF_ERROR(ParseNested(json, &state));
  return state;
}

std::string FormatQuantState(const QuantState& state) {
  std::string text =
      absl::StrCat("{\"quant_type\": \"", SchemeName(state.scheme.scheme),
                   "\", \"blocksize\": ", state.scheme.block_size, ", \"dtype\": \"",
                   TorchName(state.dtype), "\", \"shape\": [", state.rows, ", ", state.cols, "]");
  if (state.scheme.double_quant) {
    absl::StrAppend(
        &text, ", \"nested_blocksize\": ", kNestedBlockSize,
        ", \"nested_dtype\": \"float32\", \"nested_offset\": ", PythonFloat(state.nested_offset));
  }
  return absl::StrCat(text, "}");
}

}  // namespace gantry
