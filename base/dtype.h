#ifndef GANTRY_BASE_DTYPE_H_
#define GANTRY_BASE_DTYPE_H_

#include <cstdint>
#include <cstring>
#include <optional>

#include "absl/strings/string_view.h"

namespace gantry {

// Element types of tensors in files, on the wire and in buffers.
enum class DType : uint8_t { kF32, kF16, kBF16, kF64, kI8, kU8, kI16, kI32, kI64, kBool };

// Bytes of one element.
int DTypeSize(DType dtype);
// Safetensors' name: "F32", "BF16".
absl::string_view DTypeName(DType dtype);
std::optional<DType> DTypeFromSafetensors(absl::string_view name);
// torch's name: "float32", "bfloat16".
absl::string_view TorchName(DType dtype);
// The same, with or without "torch.".
std::optional<DType> DTypeFromTorch(absl::string_view name);

// How a weight is stored on a device.
enum class Scheme : uint8_t { kFp32, kFp16, kBf16, kInt8, kNf4, kFp4 };

// "fp32", "int8", "nf4".
absl::string_view SchemeName(Scheme scheme);
std::optional<Scheme> SchemeFromName(absl::string_view name);
// What stores elements of F32, F16 or BF16 as they are.
Scheme SchemeOfDType(DType dtype);

// Conversions of 16-bit floats given as their bits. Narrowing rounds to nearest even.
inline float BF16ToFloat(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}
float F16ToFloat(uint16_t bits);
uint16_t FloatToBF16(float value);
uint16_t FloatToF16(float value);

// Whether elements are F32, F16 or BF16: what the conversions below take.
inline bool IsFloat(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}
// Widens `count` elements of F32, F16 or BF16 to float. Requires one of those types.
void ToFloat(DType dtype, const void* from, size_t count, float* to);
// Narrows `count` floats to F32, F16 or BF16, rounding to nearest even.
void FromFloat(DType dtype, const float* from, size_t count, void* to);
// Rounds floats to what F32, F16 or BF16 can hold.
void RoundFloats(DType dtype, size_t count, float* values);

}  // namespace gantry

#endif  // GANTRY_BASE_DTYPE_H_
