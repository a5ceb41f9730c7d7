#include "model/quantised_parts.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr uint8_t kRowFormat = 0;

// "P.SCB" of "P.weight".
std::string Beside(const std::string& weight, absl::string_view part) {
  return absl::StrCat(weight.substr(0, weight.rfind('.') + 1), part);
}

template <typename T>
absl::Span<const char> Bytes(absl::Span<const T> values) {
  return absl::MakeConstSpan(reinterpret_cast<const char*>(values.data()),
                             values.size() * sizeof(T));
}

std::string StateName(const std::string& weight, Scheme scheme) {
  return absl::StrCat(weight, ".quant_state.bitsandbytes__", SchemeName(scheme));
}

}  // namespace

absl::StatusOr<std::vector<TensorToWrite>> QuantisedParts(const std::string& name,
                                                          const QuantState& state, DType storage) {
  const uint64_t rows = state.rows;
  const uint64_t cols = state.cols;
  if (state.scheme.scheme == Scheme::kInt8) {
    return std::vector<TensorToWrite>{{name, DType::kI8, {rows, cols}},
                                      {Beside(name, "SCB"), DType::kF32, {rows}},
                                      {Beside(name, "weight_format"), DType::kU8, {}}};
  }
  const uint64_t bytes = (rows * cols + 1) / 2;
  const uint64_t element = DTypeSize(storage);
  if (bytes % element != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor \"", name, "\": its ", bytes, " bytes of codes do not fill elements of ",
        TorchName(storage), "; take --bnb_4bit_quant_storage=uint8"));
  }
  const uint64_t block = state.scheme.block_size;
  const uint64_t blocks = (rows * cols + block - 1) / block;
  const bool nested = state.scheme.double_quant;
  std::vector<TensorToWrite> parts = {
      {name, storage, {bytes / element, 1}},
      {absl::StrCat(name, ".absmax"), nested ? DType::kU8 : DType::kF32, {blocks}},
      {absl::StrCat(name, ".quant_map"), DType::kF32, {CodeBook(state.scheme.scheme).size()}}};
  if (nested) {
    const uint64_t nested_blocks = (blocks + kNestedBlockSize - 1) / kNestedBlockSize;
    parts.push_back({absl::StrCat(name, ".nested_absmax"), DType::kF32, {nested_blocks}});
    parts.push_back({absl::StrCat(name, ".nested_quant_map"), DType::kF32, {DynamicMap().size()}});
  }
  parts.push_back(
      {StateName(name, state.scheme.scheme), DType::kU8, {FormatQuantState(state).size()}});
  return parts;
}

absl::Status WriteQuantisedParts(
    const std::string& name, const PackedTensor& tensor, DType dtype,
    absl::FunctionRef<absl::Status(const std::string& part, absl::Span<const char> data)> write) {
  const Scheme scheme = tensor.scheme.scheme;
  GANTRY_RETURN_IF_ERROR(write(name, Bytes<uint8_t>(tensor.codes)));
  if (scheme == Scheme::kInt8) {
    GANTRY_RETURN_IF_ERROR(write(Beside(name, "SCB"), Bytes<float>(tensor.absmax)));
    return write(Beside(name, "weight_format"), Bytes<uint8_t>({kRowFormat}));
  }
  GANTRY_RETURN_IF_ERROR(write(absl::StrCat(name, ".quant_map"), Bytes<float>(CodeBook(scheme))));
  if (tensor.scheme.double_quant) {
    GANTRY_RETURN_IF_ERROR(
        write(absl::StrCat(name, ".absmax"), Bytes<uint8_t>(tensor.absmax_codes)));
    GANTRY_RETURN_IF_ERROR(
        write(absl::StrCat(name, ".nested_absmax"), Bytes<float>(tensor.nested_absmax)));
    GANTRY_RETURN_IF_ERROR(
        write(absl::StrCat(name, ".nested_quant_map"), Bytes<float>(tensor.nested_map)));
  } else {
    GANTRY_RETURN_IF_ERROR(write(absl::StrCat(name, ".absmax"), Bytes<float>(tensor.absmax)));
  }
  QuantState state;
  state.scheme = tensor.scheme;
  state.dtype = dtype;
  state.rows = tensor.rows;
  state.cols = tensor.cols;
  state.nested_offset = tensor.nested_offset;
  const std::string text = FormatQuantState(state);
  return write(StateName(name, scheme), absl::MakeConstSpan(text.data(), text.size()));
}

}  // namespace gantry
