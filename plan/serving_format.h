#ifndef GANTRY_PLAN_SERVING_FORMAT_H_
#define GANTRY_PLAN_SERVING_FORMAT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "plan/quantization.h"

namespace gantry {

// Where bytes lie.
enum class MemoryKind { kGpu, kCpu };

// What CPUs hold.
enum class OffloadDType {
  kFloat32,   // what llm_int8_enable_fp32_cpu_offload promises
  kBFloat16,  // but for embeddings
  kInt8,      // what a GPU would hold in int8; the rest float32
  kNf4,
  kAuto,  // the scheme a GPU would hold
};

// "float32", "auto".
absl::string_view OffloadDTypeName(OffloadDType dtype);
std::optional<OffloadDType> OffloadDTypeFromName(absl::string_view name);

// How a model is held and computed, on GPUs and on CPUs beside them.
struct ServingFormat {
  WeightFormat weights;                       // of GPUs; activations have its dtype
  bool checkpoint_quantization = false;       // that of `weights` is the checkpoint's own
  std::optional<OffloadDType> offload_dtype;  // not set: float32, and no permission to offload
  std::optional<DType> kv_cache_dtype;        // of GPUs; not set: that of activations
  bool outliers_per_batch = false;            // LLM.int8() as bitsandbytes; else for each token
  bool deterministic = false;

  // What a kind of device holds. CPUs keep embeddings in float32 unless they are quantised.
  WeightFormat Weights(MemoryKind kind) const;
  // CPUs compute in float32, keys and values included.
  DType ActivationDType(MemoryKind kind) const;
  DType KvDType(MemoryKind kind) const;
  // Whether CPUs may hold modules beside GPUs, as transformers has it: a quantised model's only
  // with llm_int8_enable_fp32_cpu_offload, or when the user said what they are to hold.
  bool MayOffload() const;
};

}  // namespace gantry

#endif  // GANTRY_PLAN_SERVING_FORMAT_H_
