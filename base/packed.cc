#include "base/packed.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/quantisation_constants.h"

namespace gantry {
namespace {

std::array<float, 256> MakeDynamicMap() {
  std::array<float, 256> map;
  size_t count = 0;
  for (int i = 0; i < 7; ++i) {
    // The means of neighbours in linspace(0.1, 1, 2^i + 1), times 10^(i - 6).
    const int steps = 1 << i;
    const float power = static_cast<float>(std::pow(10.0, i - 6));
    for (int j = 0; j < steps; ++j) {
      const float step = (1.0f - 0.1f) / steps;
      // torch.linspace counts from the nearer end, and is compiled to fused multiply-adds.
      const auto boundary = [&](int k) {
        return k < (steps + 1) / 2 ? std::fma(step, static_cast<float>(k), 0.1f)
                                   : std::fma(-step, static_cast<float>(steps - k), 1.0f);
      };
      const float mean = (boundary(j) + boundary(j + 1)) / 2.0f;
      map[count++] = power * mean;
      map[count++] = -power * mean;
    }
  }
  map[count++] = 0.0f;
  map[count++] = 1.0f;
  std::sort(map.begin(), map.end());
  return map;
}

absl::Status WrongSize(absl::string_view field, int64_t expected, size_t found) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected ", expected, " elements, found ", found));
}

absl::Status CheckFinite(absl::string_view field, absl::Span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, "[", i, "]: expected a finite number, found ", values[i]));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool IsBlockSize(int64_t block_size) {
  return block_size >= 32 && block_size <= 4096 && (block_size & (block_size - 1)) == 0;
}

absl::Span<const float> CodeBook(Scheme scheme) {
  return scheme == Scheme::kNf4 ? absl::MakeConstSpan(kNf4CodeBook.values)
                                : absl::MakeConstSpan(kFp4CodeBook.values);
}

const std::array<float, 256>& DynamicMap() {
  static const std::array<float, 256> map = MakeDynamicMap();
  return map;
}

int64_t PackedTensor::blocks() const {
  return (rows * cols + scheme.block_size - 1) / scheme.block_size;
}

float PackedTensor::BlockAbsmax(int64_t block) const {
  if (!scheme.double_quant) return absmax[block];
  return RestoreAbsmax(nested_map[absmax_codes[block]], nested_absmax[block / kNestedBlockSize],
                       nested_offset);
}

std::vector<float> PackedTensor::Absmax() const {
  std::vector<float> values(blocks());
  for (size_t i = 0; i < values.size(); ++i) values[i] = BlockAbsmax(i);
  return values;
}

float RestoreAbsmax(float nested_value, float nested_absmax, float nested_offset) {
  const volatile float product = nested_value * nested_absmax;
  return product + nested_offset;
}

void DequantiseCodes(const TensorScheme& scheme, int64_t cols, int64_t first, int64_t count,
                     const uint8_t* codes, const float* absmax, float* out) {
  if (scheme.scheme == Scheme::kInt8) {
    const int64_t first_row = first / cols;
    for (int64_t i = 0; i < count; ++i) {
      const float code = static_cast<int8_t>(codes[i]);
      out[i] = code * absmax[(first + i) / cols - first_row] * kInt8WeightUnit;
    }
    return;
  }
  const absl::Span<const float> book = CodeBook(scheme.scheme);
  const int64_t first_block = first / scheme.block_size;
  const int64_t first_byte = first / 2;
  for (int64_t i = first; i < first + count; ++i) {
    const uint8_t pair = codes[i / 2 - first_byte];
    const uint8_t code = i % 2 == 0 ? pair >> 4 : pair & 15;
    out[i - first] = book[code] * absmax[i / scheme.block_size - first_block];
  }
}

absl::Status CheckPackedTensor(const PackedTensor& tensor) {
  constexpr int64_t kMost = int64_t{1} << 31;
  if (tensor.rows < 1 || tensor.cols < 1 || tensor.rows > kMost || tensor.cols > kMost) {
    return absl::InvalidArgumentError(absl::StrCat("shape: expected sizes in [1, 2^31], found [",
                                                   tensor.rows, ", ", tensor.cols, "]"));
  }
  const int64_t count = tensor.rows * tensor.cols;
  if (tensor.scheme.scheme == Scheme::kInt8) {
    if (tensor.codes.size() != count) return WrongSize("weight", count, tensor.codes.size());
    if (tensor.absmax.size() != tensor.rows) {
      return WrongSize("SCB", tensor.rows, tensor.absmax.size());
    }
    return CheckFinite("SCB", tensor.absmax);
  }
  if (!IsFourBit(tensor.scheme.scheme)) {
    return absl::InvalidArgumentError(absl::StrCat("scheme: expected int8, nf4 or fp4, found ",
                                                   SchemeName(tensor.scheme.scheme)));
  }
  if (!IsBlockSize(tensor.scheme.block_size)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "blocksize: expected a power of two from 32 to 4096, found ", tensor.scheme.block_size));
  }
  if (tensor.codes.size() != (count + 1) / 2) {
    return WrongSize("weight", (count + 1) / 2, tensor.codes.size());
  }
  const int64_t blocks = tensor.blocks();
  if (!tensor.scheme.double_quant) {
    if (tensor.absmax.size() != blocks) return WrongSize("absmax", blocks, tensor.absmax.size());
    return CheckFinite("absmax", tensor.absmax);
  }
  if (tensor.absmax_codes.size() != blocks) {
    return WrongSize("absmax", blocks, tensor.absmax_codes.size());
  }
  const int64_t nested = (blocks + kNestedBlockSize - 1) / kNestedBlockSize;
  if (tensor.nested_absmax.size() != nested) {
    return WrongSize("nested_absmax", nested, tensor.nested_absmax.size());
  }
  if (tensor.nested_map.size() != 256) {
    return WrongSize("nested_quant_map", 256, tensor.nested_map.size());
  }
  absl::Status finite = CheckFinite("nested_absmax", tensor.nested_absmax);
  if (finite.ok()) finite = CheckFinite("nested_quant_map", tensor.nested_map);
  if (finite.ok()) {
    finite = CheckFinite("nested_offset", absl::MakeConstSpan(&tensor.nested_offset, 1));
  }
  return finite;
}

}  // namespace gantry
