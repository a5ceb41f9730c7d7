#include "plan/serving_format.h"

#include <utility>

namespace gantry {
namespace {

constexpr std::pair<OffloadDType, absl::string_view> kNames[] = {
    {OffloadDType::kFloat32, "float32"}, {OffloadDType::kBFloat16, "bfloat16"},
    {OffloadDType::kInt8, "int8"},       {OffloadDType::kNf4, "nf4"},
    {OffloadDType::kAuto, "auto"},
};

}  // namespace

absl::string_view OffloadDTypeName(OffloadDType dtype) {
  for (const auto& [one, name] : kNames) {
    if (one == dtype) return name;
  }
  return "";
}

std::optional<OffloadDType> OffloadDTypeFromName(absl::string_view name) {
  for (const auto& [dtype, one] : kNames) {
    if (one == name) return dtype;
  }
  return std::nullopt;
}

WeightFormat ServingFormat::Weights(MemoryKind kind) const {
  if (kind == MemoryKind::kGpu) return weights;
  WeightFormat held = weights;
  held.embedding_dtype = DType::kF32;
  QuantizationOptions& quantization = held.quantization;
  const OffloadDType offload = offload_dtype.value_or(OffloadDType::kFloat32);
  if (offload == OffloadDType::kAuto) return held;
  held.dtype = offload == OffloadDType::kBFloat16 ? DType::kBF16 : DType::kF32;
  quantization.load_in_8bit = offload == OffloadDType::kInt8;
  quantization.load_in_4bit = offload == OffloadDType::kNf4;
  if (quantization.load_in_4bit) quantization.bnb_4bit_quant_type = Scheme::kNf4;
  return held;
}

DType ServingFormat::ActivationDType(MemoryKind kind) const {
  return kind == MemoryKind::kGpu ? weights.dtype : DType::kF32;
}

DType ServingFormat::KvDType(MemoryKind kind) const {
  return kind == MemoryKind::kGpu ? kv_cache_dtype.value_or(weights.dtype) : DType::kF32;
}

bool ServingFormat::MayOffload() const {
  return !weights.quantization.quantized() ||
         weights.quantization.llm_int8_enable_fp32_cpu_offload || offload_dtype.has_value();
}

}  // namespace gantry
