#include "base/dtype.h"

#include <cmath>

#include "absl/strings/strip.h"

namespace gantry {
namespace {

struct DTypeRow {
  DType dtype;
  int size;
  absl::string_view safetensors;
  absl::string_view torch;
};
constexpr DTypeRow kDTypes[] = {
    {DType::kF32, 4, "F32", "float32"},    {DType::kF16, 2, "F16", "float16"},
    {DType::kBF16, 2, "BF16", "bfloat16"}, {DType::kF64, 8, "F64", "float64"},
    {DType::kI8, 1, "I8", "int8"},         {DType::kU8, 1, "U8", "uint8"},
    {DType::kI16, 2, "I16", "int16"},      {DType::kI32, 4, "I32", "int32"},
    {DType::kI64, 8, "I64", "int64"},      {DType::kBool, 1, "BOOL", "bool"},
};

struct SchemeRow {
  Scheme scheme;
  absl::string_view name;
};
constexpr SchemeRow kSchemes[] = {
    {Scheme::kFp32, "fp32"}, {Scheme::kFp16, "fp16"}, {Scheme::kBf16, "bf16"},
    {Scheme::kInt8, "int8"}, {Scheme::kNf4, "nf4"},   {Scheme::kFp4, "fp4"},
};

uint32_t FloatBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

}  // namespace

int DTypeSize(DType dtype) { return kDTypes[static_cast<int>(dtype)].size; }

absl::string_view DTypeName(DType dtype) { return kDTypes[static_cast<int>(dtype)].safetensors; }

std::optional<DType> DTypeFromSafetensors(absl::string_view name) {
  for (const DTypeRow& row : kDTypes) {
    if (row.safetensors == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<DType> DTypeFromTorch(absl::string_view name) {
  name = absl::StripPrefix(name, "torch.");
  for (const DTypeRow& row : kDTypes) {
    if (row.torch == name) return row.dtype;
  }
  return std::nullopt;
}

absl::string_view SchemeName(Scheme scheme) { return kSchemes[static_cast<int>(scheme)].name; }

std::optional<Scheme> SchemeFromName(absl::string_view name) {
  for (const SchemeRow& row : kSchemes) {
    if (row.name == name) return row.scheme;
  }
  return std::nullopt;
}

float F16ToFloat(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? sign | 0x7f800000u | mantissa << 13
                                       : sign | (exponent + 112) << 23 | mantissa << 13;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

uint16_t FloatToBF16(float value) {
  const uint32_t bits = FloatBits(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

uint16_t FloatToF16(float value) {
  const uint32_t bits = FloatBits(value);
  const uint16_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;   // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // rounds past 65504
  if (magnitude < 0x38800000) {                       // subnormal: units of 2^-24
    const float units = std::ldexp(std::fabs(value), 24);
    return sign | static_cast<uint16_t>(std::nearbyint(units));
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

void ToFloat(DType dtype, const void* from, size_t count, float* to) {
  if (dtype == DType::kF32) {
    std::memcpy(to, from, count * sizeof(float));
    return;
  }
  const char* bytes = static_cast<const char*>(from);
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof(bits));
    to[i] = dtype == DType::kBF16 ? BF16ToFloat(bits) : F16ToFloat(bits);
  }
}

}  // namespace gantry
