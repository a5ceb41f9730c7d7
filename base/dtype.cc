#include "base/dtype.h"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

// Loops over elements that may lie at odd addresses. BF16's have no branches, so that compilers
// vectorise them; F16's take the instructions for it where the CPU has them.

void WidenBF16(const char* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof(bits));
    to[i] = BF16ToFloat(bits);
  }
}

void NarrowToBF16(const float* from, size_t count, char* to) {
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = FloatBits(from[i]);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    const uint32_t nan = bits >> 16 | 0x40;
    const uint16_t narrow = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
    std::memcpy(to + 2 * i, &narrow, sizeof(narrow));
  }
}

#if defined(__x86_64__)
// Clang cannot be asked for it; every CPU with AVX2 has it.
bool HasF16C() {
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
}

// Both return how many elements they have done. A NaN stays one, if not of the same bits.
__attribute__((target("avx,f16c"))) size_t WidenF16Fast(const char* from, size_t count, float* to) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(bits));
  }
  return i;
}

__attribute__((target("avx,f16c"))) size_t NarrowToF16Fast(const float* from, size_t count,
                                                           char* to) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i bits = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * i), bits);
  }
  return i;
}
#else
bool HasF16C() { return false; }
size_t WidenF16Fast(const char*, size_t, float*) { return 0; }
size_t NarrowToF16Fast(const float*, size_t, char*) { return 0; }
#endif

void WidenF16(const char* from, size_t count, float* to) {
  for (size_t i = HasF16C() ? WidenF16Fast(from, count, to) : 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof(bits));
    to[i] = F16ToFloat(bits);
  }
}

void NarrowToF16(const float* from, size_t count, char* to) {
  for (size_t i = HasF16C() ? NarrowToF16Fast(from, count, to) : 0; i < count; ++i) {
    const uint16_t bits = FloatToF16(from[i]);
    std::memcpy(to + 2 * i, &bits, sizeof(bits));
  }
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

absl::string_view TorchName(DType dtype) { return kDTypes[static_cast<int>(dtype)].torch; }

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

Scheme SchemeOfDType(DType dtype) {
  if (dtype == DType::kF16) return Scheme::kFp16;
  return dtype == DType::kBF16 ? Scheme::kBf16 : Scheme::kFp32;
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
  if (count == 0) return;
  if (dtype == DType::kF32) {
    std::memcpy(to, from, count * sizeof(float));
  } else if (dtype == DType::kBF16) {
    WidenBF16(static_cast<const char*>(from), count, to);
  } else {
    WidenF16(static_cast<const char*>(from), count, to);
  }
}

void FromFloat(DType dtype, const float* from, size_t count, void* to) {
  if (count == 0) return;
  if (dtype == DType::kF32) {
    std::memcpy(to, from, count * sizeof(float));
  } else if (dtype == DType::kBF16) {
    NarrowToBF16(from, count, static_cast<char*>(to));
  } else {
    NarrowToF16(from, count, static_cast<char*>(to));
  }
}

void RoundFloats(DType dtype, size_t count, float* values) {
  if (dtype == DType::kF32) return;
  constexpr size_t kPiece = 1024;
  uint16_t narrow[kPiece];
  for (size_t at = 0; at < count; at += kPiece) {
    const size_t part = std::min(kPiece, count - at);
    FromFloat(dtype, values + at, part, narrow);
    ToFloat(dtype, narrow, part, values + at);
  }
}

}  // namespace gantry
