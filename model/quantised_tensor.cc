#include "model/quantised_tensor.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/config_fields.h"

namespace gantry {
namespace {

constexpr absl::string_view kState = ".quant_state.";
constexpr absl::string_view kStateType = ".quant_state.bitsandbytes__";
constexpr absl::string_view kFourBitParts[] = {"absmax", "quant_map", "nested_absmax",
                                               "nested_quant_map"};
constexpr int64_t kCodes = 16;
constexpr int64_t kNestedCodes = 256;
// Elements that are dequantised at a time; a multiple of every block size.
constexpr int64_t kStagingElements = 128 << 10;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

std::string Describe(const SafetensorsEntry& entry) {
  return absl::StrCat(entry.dtype_name, " [", Excerpt(absl::StrJoin(entry.shape, ", ")), "]");
}

// "P.SCB" of "P.weight".
std::string Beside(absl::string_view weight, absl::string_view part) {
  return absl::StrCat(weight.substr(0, weight.rfind('.') + 1), part);
}

template <typename T>
absl::StatusOr<std::vector<T>> ReadArray(const StoredTensor& part, int64_t first, int64_t count,
                                         absl::Span<const File> files) {
  std::vector<T> values(count);
  GANTRY_RETURN_IF_ERROR(Annotate(
      files[part.file].ReadAt(part.offset + first * sizeof(T), count * sizeof(T), values.data()),
      absl::StrCat("tensor \"", part.entry.name, "\"")));
  return values;
}

// The tensors with the description of 4-bit codes, of any type.
std::vector<const StoredTensor*> FindStates(const std::string& weight, const StoredTensors& all) {
  const std::string prefix = absl::StrCat(weight, kState);
  std::vector<const StoredTensor*> states;
  for (auto it = all.lower_bound(prefix); it != all.end() && absl::StartsWith(it->first, prefix);
       ++it) {
    states.push_back(&it->second);
  }
  return states;
}

}  // namespace

absl::StatusOr<std::optional<QuantisedTensor>> QuantisedTensor::Find(const TensorSpec& weight,
                                                                     const StoredTensors& all,
                                                                     absl::Span<const File> files) {
  QuantisedTensor tensor;
  tensor.name_ = weight.name;
  tensor.weight_ = all.find(weight.name)->second;
  tensor.bytes_ = tensor.weight_.bytes();
  const File& file = files[tensor.weight_.file];
  const std::vector<const StoredTensor*> states = FindStates(weight.name, all);
  if (states.size() > 1) {
    return WrongTensor(file, weight.name,
                       absl::StrCat("expected one quant_state, found \"", states[0]->entry.name,
                                    "\" and \"", states[1]->entry.name, "\""));
  }
  const std::optional<DType> dtype = tensor.weight_.entry.dtype;
  if (states.size() == 1) {
    GANTRY_RETURN_IF_ERROR(tensor.FindFourBit(*states[0], all, files));
    if (tensor.state_.rows != weight.shape[0] || tensor.state_.cols != weight.shape[1]) {
      return WrongTensor(file, weight.name,
                         absl::StrCat("expected shape [", absl::StrJoin(weight.shape, ", "),
                                      "] by config.json, its quant_state says [",
                                      tensor.state_.rows, ", ", tensor.state_.cols, "]"));
    }
    return tensor;
  }
  if (dtype == DType::kI8 || all.contains(Beside(weight.name, "SCB")) ||
      all.contains(Beside(weight.name, "weight_format"))) {
    tensor.state_.rows = weight.shape[0];
    tensor.state_.cols = weight.shape[1];
    GANTRY_RETURN_IF_ERROR(tensor.FindInt8(all, files));
    return tensor;
  }
  if (dtype == DType::kU8 || all.contains(absl::StrCat(weight.name, ".absmax"))) {
    return WrongTensor(
        file, weight.name,
        absl::StrCat("found ", Describe(tensor.weight_.entry), ", 4-bit codes, without a tensor \"",
                     weight.name, kStateType, "nf4\" or \"...fp4\""));
  }
  return std::optional<QuantisedTensor>();
}

absl::Status QuantisedTensor::FindPart(const std::string& name, DType dtype, int64_t elements,
                                       const StoredTensors& all, absl::Span<const File> files,
                                       StoredTensor* part) {
  const auto found = all.find(name);
  if (found == all.end()) {
    return WrongTensor(files[weight_.file], name_,
                       absl::StrCat("missing quantization component: there is no tensor \"", name,
                                    "\"; save the checkpoint again"));
  }
  *part = found->second;
  bytes_ += part->bytes();
  if (part->entry.dtype == dtype && part->bytes() == elements * DTypeSize(dtype) &&
      part->entry.shape.size() <= 1) {
    return absl::OkStatus();
  }
  return WrongTensor(files[part->file], name,
                     absl::StrCat("expected ", DTypeName(dtype), " [", elements, "], found ",
                                  Describe(part->entry)));
}

absl::Status QuantisedTensor::CheckNames(const StoredTensors& all,
                                         absl::Span<const File> files) const {
  const std::string prefix = absl::StrCat(name_, ".");
  for (auto it = all.lower_bound(prefix); it != all.end() && absl::StartsWith(it->first, prefix);
       ++it) {
    const absl::string_view part = absl::string_view(it->first).substr(prefix.size());
    const bool nested = absl::StartsWith(part, "nested_");
    const bool known = std::find(std::begin(kFourBitParts), std::end(kFourBitParts), part) !=
                       std::end(kFourBitParts);
    if (absl::StartsWith(it->first.substr(name_.size()), kState)) continue;
    if (known && (!nested || state_.scheme.double_quant)) continue;
    return WrongTensor(files[it->second.file], Excerpt(it->first),
                       nested && known ? "its quant_state has no nested statistics"
                                       : "no part of a 4-bit weight has this name");
  }
  return absl::OkStatus();
}

absl::Status QuantisedTensor::FindFourBit(const StoredTensor& state, const StoredTensors& all,
                                          absl::Span<const File> files) {
  const File& file = files[state.file];
  const std::string& name = state.entry.name;
  absl::string_view type = absl::string_view(name).substr(name_.size());
  const std::optional<Scheme> scheme =
      absl::ConsumePrefix(&type, kStateType) ? SchemeFromName(type) : std::nullopt;
  if (!scheme.has_value() || !IsFourBit(*scheme)) {
    return WrongTensor(file, Excerpt(name),
                       "expected a name that ends in quant_state.bitsandbytes__nf4 or ...__fp4");
  }
  if (state.entry.dtype != DType::kU8 || state.bytes() > kMaxQuantStateBytes) {
    return WrongTensor(file, name,
                       absl::StrCat("expected U8 with at most ", kMaxQuantStateBytes,
                                    " bytes of JSON, found ", Describe(state.entry)));
  }
  bytes_ += state.bytes();
  GANTRY_ASSIGN_OR_RETURN(const std::vector<char> text,
                          ReadArray<char>(state, 0, state.bytes(), files));
  absl::StatusOr<QuantState> parsed =
      ParseQuantState(absl::string_view(text.data(), text.size()), *scheme);
  if (!parsed.ok()) return WrongTensor(file, name, parsed.status().message());
  state_ = *parsed;

  const int64_t elements = state_.rows * state_.cols;  // below 2^63
  const int64_t codes = CeilDiv(elements, 2);
  if (!weight_.entry.dtype.has_value() || weight_.bytes() != codes) {
    return WrongTensor(files[weight_.file], name_,
                       absl::StrCat("expected ", codes, " bytes of 4-bit codes for [", state_.rows,
                                    ", ", state_.cols, "], found ", Describe(weight_.entry)));
  }
  const int64_t blocks = CeilDiv(elements, state_.scheme.block_size);
  const bool nested = state_.scheme.double_quant;
  StoredTensor map;  // the codes' values, which bitsandbytes does not read either
  GANTRY_RETURN_IF_ERROR(FindPart(absl::StrCat(name_, ".absmax"), nested ? DType::kU8 : DType::kF32,
                                  blocks, all, files, &absmax_));
  GANTRY_RETURN_IF_ERROR(
      FindPart(absl::StrCat(name_, ".quant_map"), DType::kF32, kCodes, all, files, &map));
  if (nested) {
    GANTRY_RETURN_IF_ERROR(FindPart(absl::StrCat(name_, ".nested_absmax"), DType::kF32,
                                    CeilDiv(blocks, kNestedBlockSize), all, files,
                                    &nested_absmax_));
    GANTRY_RETURN_IF_ERROR(FindPart(absl::StrCat(name_, ".nested_quant_map"), DType::kF32,
                                    kNestedCodes, all, files, &nested_map_));
  }
  return CheckNames(all, files);
}

absl::Status QuantisedTensor::FindInt8(const StoredTensors& all, absl::Span<const File> files) {
  state_.scheme.scheme = Scheme::kInt8;
  const SafetensorsEntry& entry = weight_.entry;
  const bool same_shape =
      entry.shape.size() == 2 && entry.shape[0] == state_.rows && entry.shape[1] == state_.cols;
  if (entry.dtype != DType::kI8 || !same_shape) {
    return WrongTensor(files[weight_.file], name_,
                       absl::StrCat("expected I8 [", state_.rows, ", ", state_.cols,
                                    "] beside its SCB, found ", Describe(entry)));
  }
  GANTRY_RETURN_IF_ERROR(
      FindPart(Beside(name_, "SCB"), DType::kF32, state_.rows, all, files, &absmax_));
  const std::string format_name = Beside(name_, "weight_format");
  if (!all.contains(format_name)) return absl::OkStatus();  // before bitsandbytes 0.37: by rows
  StoredTensor format;
  GANTRY_RETURN_IF_ERROR(FindPart(format_name, DType::kU8, 1, all, files, &format));
  GANTRY_ASSIGN_OR_RETURN(const std::vector<uint8_t> value,
                          ReadArray<uint8_t>(format, 0, 1, files));
  if (value[0] == 0) return absl::OkStatus();
  constexpr absl::string_view kFormats[] = {"row", "col32", "col_turing", "col_ampere"};
  return WrongTensor(
      files[format.file], format_name,
      absl::StrCat("expected 0 (row), found ", value[0],
                   value[0] < 4 ? absl::StrCat(" (", kFormats[value[0]], ")") : "",
                   ": the layout of another device; quantise the original weights again"));
}

absl::StatusOr<PackedTensor> QuantisedTensor::Read(absl::Span<const File> files) const {
  PackedTensor packed;
  packed.scheme = state_.scheme;
  packed.rows = state_.rows;
  packed.cols = state_.cols;
  GANTRY_ASSIGN_OR_RETURN(packed.codes, ReadArray<uint8_t>(weight_, 0, weight_.bytes(), files));
  const int64_t blocks = state_.scheme.scheme == Scheme::kInt8 ? packed.rows : packed.blocks();
  if (state_.scheme.double_quant) {
    packed.nested_offset = state_.nested_offset;
    GANTRY_ASSIGN_OR_RETURN(packed.absmax_codes, ReadArray<uint8_t>(absmax_, 0, blocks, files));
    GANTRY_ASSIGN_OR_RETURN(
        packed.nested_absmax,
        ReadArray<float>(nested_absmax_, 0, CeilDiv(blocks, kNestedBlockSize), files));
    GANTRY_ASSIGN_OR_RETURN(packed.nested_map,
                            ReadArray<float>(nested_map_, 0, kNestedCodes, files));
  } else {
    GANTRY_ASSIGN_OR_RETURN(packed.absmax, ReadArray<float>(absmax_, 0, blocks, files));
  }
  const absl::Status sound = CheckPackedTensor(packed);
  if (!sound.ok()) return WrongTensor(files[absmax_.file], name_, sound.message());
  return packed;
}

absl::StatusOr<std::vector<float>> QuantisedTensor::ReadAbsmax(int64_t first, int64_t count,
                                                               absl::Span<const File> files) const {
  std::vector<float> absmax;
  if (!state_.scheme.double_quant) {
    GANTRY_ASSIGN_OR_RETURN(absmax, ReadArray<float>(absmax_, first, count, files));
  } else {
    const int64_t first_nested = first / kNestedBlockSize;
    const int64_t end_nested = CeilDiv(first + count, kNestedBlockSize);
    GANTRY_ASSIGN_OR_RETURN(const std::vector<uint8_t> codes,
                            ReadArray<uint8_t>(absmax_, first, count, files));
    GANTRY_ASSIGN_OR_RETURN(
        const std::vector<float> nested,
        ReadArray<float>(nested_absmax_, first_nested, end_nested - first_nested, files));
    GANTRY_ASSIGN_OR_RETURN(const std::vector<float> map,
                            ReadArray<float>(nested_map_, 0, kNestedCodes, files));
    for (int64_t i = 0; i < count; ++i) {
      absmax.push_back(RestoreAbsmax(map[codes[i]],
                                     nested[(first + i) / kNestedBlockSize - first_nested],
                                     state_.nested_offset));
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(absmax[i])) {
      return WrongTensor(
          files[absmax_.file], absmax_.entry.name,
          absl::StrCat("[", first + i, "]: expected a finite number, found ", absmax[i]));
    }
  }
  return absmax;
}

absl::Status QuantisedTensor::ReadElements(int64_t first, int64_t count,
                                           absl::Span<const File> files, float* out) const {
  const bool is_int8 = state_.scheme.scheme == Scheme::kInt8;
  // An absmax stands for so many elements.
  const int64_t block = is_int8 ? state_.cols : state_.scheme.block_size;
  const int64_t end = first + count;
  while (first < end) {
    const int64_t part = std::min(end - first, kStagingElements - first % kStagingElements);
    const int64_t first_block = first / block;
    GANTRY_ASSIGN_OR_RETURN(
        const std::vector<float> absmax,
        ReadAbsmax(first_block, CeilDiv(first + part, block) - first_block, files));
    const int64_t first_byte = is_int8 ? first : first / 2;
    const int64_t end_byte = is_int8 ? first + part : CeilDiv(first + part, 2);
    GANTRY_ASSIGN_OR_RETURN(const std::vector<uint8_t> codes,
                            ReadArray<uint8_t>(weight_, first_byte, end_byte - first_byte, files));
    DequantiseCodes(state_.scheme, state_.cols, first, part, codes.data(), absmax.data(), out);
    RoundFloats(state_.dtype, part, out);
    first += part;
    out += part;
  }
  return absl::OkStatus();
}

}  // namespace gantry
