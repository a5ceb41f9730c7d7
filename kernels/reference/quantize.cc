#include "kernels/reference/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/quantisation_constants.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

// Codes are numbered by value. A value that is no number, from a block of zeros and 1 / 0, is above
// nothing: code 0, as on a GPU.
uint8_t Nf4Code(float x) {
  static const std::array<float, 15> midpoints = [] {
    std::array<float, 15> between;
    const absl::Span<const float> codes = CodeBook(Scheme::kNf4);
    for (int i = 0; i < 15; ++i) {
      between[i] = static_cast<float>((double{codes[i]} + codes[i + 1]) / 2);
    }
    return between;
  }();
  uint8_t code = 0;
  for (const uint8_t step : {8, 4, 2, 1}) {
    if (x > midpoints[code + step - 1]) code += step;
  }
  return code;
}

// Sign first, so that a small negative number becomes -0, which is code 8. The thresholds are those
// of bitsandbytes' kernel, midpoints rounded by hand.
uint8_t Fp4Code(float x) {
  struct Above {
    float threshold;
    uint8_t code;
  };
  constexpr Above kAbove[] = {{0.8333333f, 3},  {0.583333f, 2},  {0.4166667f, 5}, {0.29166667f, 4},
                              {0.20833333f, 7}, {0.0859375f, 6}, {0.00260417f, 1}};
  const uint8_t sign = x < 0 ? 8 : 0;
  for (const Above& above : kAbove) {
    if (std::fabs(x) > above.threshold) return sign + above.code;
  }
  return sign;
}

// The nearest code of the dynamic map by the binary search of bitsandbytes' kernel, whose last
// comparison decides where a tie goes.
uint8_t DynamicCode(float x) {
  const std::array<float, 256>& map = DynamicMap();
  int code = 127;
  int below = 0;
  int above = 255;
  for (int step = 64; step > 0; step /= 2) {
    if (x > map[code]) {
      below = code;
      code += step;
    } else {
      above = code;
      code -= step;
    }
  }
  if (x > map[code]) return x > (map[above] + map[code]) * 0.5f ? above : code;
  return x < (map[below] + map[code]) * 0.5f ? below : code;
}

float Absmax(absl::Span<const float> values) {
  float absmax = 0;
  for (const float value : values) absmax = std::max(absmax, std::fabs(value));
  return absmax;
}

// 1 / absmax as a GPU's fast division has it: an ulp off for some significands. Only those of
// bfloat16 are known; with weights of 16 bits it matters, for their quotients are often ties. They
// were found from what bitsandbytes made of such weights in fp4: with these, all is met.
float FastReciprocal(float absmax) {
  struct Off {
    uint32_t significand;
    int ulps;
  };
  constexpr Off kOff[] = {{132, -1}, {141, 1}, {150, -1}, {176, -1}, {246, 1}};
  const float nearest = 1.0f / absmax;
  uint32_t bits;
  std::memcpy(&bits, &absmax, sizeof(bits));
  for (const Off& off : kOff) {
    if (((bits & 0x7fffff) | 0x800000) != off.significand << 16) continue;
    return std::nextafter(nearest, off.ulps > 0 ? INFINITY : 0);
  }
  return nearest;
}

// Calls visit(i, absmax of the block of i, value i over that absmax).
template <typename Visit>
void ForEachScaled(absl::Span<const float> values, int64_t block_size, Visit visit) {
  const int64_t count = values.size();
  for (int64_t begin = 0; begin < count; begin += block_size) {
    const absl::Span<const float> block = values.subspan(begin, block_size);
    const float absmax = Absmax(block);
    const float inverse = FastReciprocal(absmax);
    for (size_t i = 0; i < block.size(); ++i) visit(begin + i, absmax, block[i] * inverse);
  }
}

void QuantiseFourBit(absl::Span<const float> weights, PackedTensor* tensor) {
  tensor->codes.resize((weights.size() + 1) / 2);
  tensor->absmax.resize(tensor->blocks());
  const int64_t block_size = tensor->scheme.block_size;
  const bool nf4 = tensor->scheme.scheme == Scheme::kNf4;
  ForEachScaled(weights, block_size, [&](int64_t i, float absmax, float scaled) {
    tensor->absmax[i / block_size] = absmax;
    const uint8_t code = nf4 ? Nf4Code(scaled) : Fp4Code(scaled);
    tensor->codes[i / 2] |= i % 2 == 0 ? code << 4 : code;
  });
  if (tensor->scheme.double_quant) QuantiseAbsmax(tensor);
}

// rint(x * scale) for x in fp16.
int8_t Int8Code(float x, float scale) { return static_cast<int8_t>(std::nearbyint(x * scale)); }

void QuantiseInt8(absl::Span<const float> weights, PackedTensor* tensor) {
  tensor->codes.resize(weights.size());
  std::vector<float> row(tensor->cols);
  for (int64_t i = 0; i < tensor->rows; ++i) {
    for (int64_t k = 0; k < tensor->cols; ++k) {
      row[k] = RoundTo(DType::kF16, weights[i * tensor->cols + k]);
    }
    const float absmax = Absmax(row);
    tensor->absmax.push_back(absmax);
    const float scale = Int8Scale(absmax);
    for (int64_t k = 0; k < tensor->cols; ++k) {
      tensor->codes[i * tensor->cols + k] = static_cast<uint8_t>(Int8Code(row[k], scale));
    }
  }
}

// The largest number that fp16 rounds to a finite one is just below this.
constexpr float kBeyondF16 = 65520;

absl::Status CheckWeights(const TensorScheme& scheme, int64_t rows, int64_t cols,
                          absl::Span<const float> weights) {
  if (!IsQuantised(scheme.scheme)) {
    return absl::InvalidArgumentError(
        absl::StrCat("scheme: expected int8, nf4 or fp4, found ", SchemeName(scheme.scheme)));
  }
  if (IsFourBit(scheme.scheme) && !IsBlockSize(scheme.block_size)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "blocksize: expected a power of two from 32 to 4096, found ", scheme.block_size));
  }
  if (rows < 1 || cols < 1 || static_cast<int64_t>(weights.size()) / cols != rows ||
      weights.size() % cols != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(weights.size(), " weights for a shape of [", rows, ", ", cols, "]"));
  }
  const bool is_int8 = scheme.scheme == Scheme::kInt8;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (std::isfinite(weights[i]) && !(is_int8 && std::fabs(weights[i]) >= kBeyondF16)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "element [", i / cols, ", ", i % cols, "]: expected a finite number",
        is_int8 ? " within fp16, of which int8 codes are made" : "", ", found ", weights[i]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PackedTensor> Quantise(const TensorScheme& scheme, int64_t rows, int64_t cols,
                                      absl::Span<const float> weights) {
  GANTRY_RETURN_IF_ERROR(CheckWeights(scheme, rows, cols, weights));
  PackedTensor tensor;
  tensor.scheme = scheme;
  tensor.rows = rows;
  tensor.cols = cols;
  if (scheme.scheme == Scheme::kInt8) {
    QuantiseInt8(weights, &tensor);
  } else {
    QuantiseFourBit(weights, &tensor);
  }
  return tensor;
}

void QuantiseAbsmax(PackedTensor* tensor) {
  std::vector<float>& absmax = tensor->absmax;
  double sum = 0;
  for (const float value : absmax) sum += value;
  // torch.mean multiplies by the rounded reciprocal of the count.
  tensor->nested_offset = static_cast<float>(sum) * (1.0f / absmax.size());
  for (float& value : absmax) value -= tensor->nested_offset;
  tensor->nested_map.assign(DynamicMap().begin(), DynamicMap().end());
  tensor->absmax_codes.resize(absmax.size());
  tensor->nested_absmax.resize((absmax.size() + kNestedBlockSize - 1) / kNestedBlockSize);
  ForEachScaled(absmax, kNestedBlockSize, [&](int64_t i, float nested, float scaled) {
    tensor->nested_absmax[i / kNestedBlockSize] = nested;
    tensor->absmax_codes[i] = DynamicCode(scaled);
  });
  absmax.clear();
}

void Dequantise(const PackedTensor& tensor, int64_t first_row, int64_t count, DType dtype,
                float* out) {
  const int64_t begin = first_row * tensor.cols;
  const int64_t end = begin + count * tensor.cols;
  if (tensor.scheme.scheme == Scheme::kInt8) {
    for (int64_t i = begin; i < end; ++i) {
      const float code = static_cast<int8_t>(tensor.codes[i]);
      *out++ = RoundTo(dtype, code * tensor.absmax[i / tensor.cols] * kInt8WeightUnit);
    }
    return;
  }
  const absl::Span<const float> codes = CodeBook(tensor.scheme.scheme);
  const int64_t block_size = tensor.scheme.block_size;
  float absmax = 0;
  for (int64_t i = begin; i < end; ++i) {
    if (i == begin || i % block_size == 0) absmax = tensor.BlockAbsmax(i / block_size);
    const uint8_t pair = tensor.codes[i / 2];
    *out++ = RoundTo(dtype, codes[i % 2 == 0 ? pair >> 4 : pair & 15] * absmax);
  }
}

float Int8Scale(float absmax) { return absmax > 0 ? 127.0f * FastReciprocal(absmax) : 0; }

float RoundTo(DType dtype, float value) {
  switch (dtype) {
    case DType::kF16:
      return F16ToFloat(FloatToF16(value));
    case DType::kBF16:
      return BF16ToFloat(FloatToBF16(value));
    default:
      return value;
  }
}

Int8Activations QuantiseActivations(absl::Span<const float> x, int64_t rows, int64_t cols,
                                    float threshold, bool outliers_per_batch) {
  Int8Activations result;
  result.codes.resize(rows * cols);
  result.absmax.resize(rows);
  result.outliers.resize(rows);
  std::vector<float> values(rows * cols);
  for (int64_t i = 0; i < rows * cols; ++i) values[i] = RoundTo(DType::kF16, x[i]);
  const auto is_outlier = [&](float value) {
    return threshold > 0 && !(std::fabs(value) < threshold);
  };
  std::vector<bool> outlier_column(cols);
  for (int64_t i = 0; i < rows * cols; ++i) {
    if (is_outlier(values[i])) outlier_column[i % cols] = true;
  }
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = values.data() + row * cols;
    float absmax = 0;
    for (int64_t k = 0; k < cols; ++k) {
      if (is_outlier(from[k])) continue;
      if (!std::isfinite(from[k])) {
        absmax = NAN;
        break;
      }
      absmax = std::max(absmax, std::fabs(from[k]));
    }
    result.absmax[row] = absmax;
    const float scale = Int8Scale(absmax);
    for (int64_t k = 0; k < cols; ++k) {
      if (is_outlier(from[k]) || (outliers_per_batch && outlier_column[k])) {
        result.outliers[row].push_back(static_cast<int32_t>(k));
      } else if (absmax > 0) {
        result.codes[row * cols + k] = Int8Code(from[k], scale);
      }
    }
  }
  return result;
}

}  // namespace gantry
