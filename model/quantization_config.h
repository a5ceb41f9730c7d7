#ifndef GANTRY_MODEL_QUANTIZATION_CONFIG_H_
#define GANTRY_MODEL_QUANTIZATION_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "base/json.h"

namespace gantry {

// The fields of transformers' BitsAndBytesConfig, with its defaults.
struct QuantizationOptions {
  bool load_in_8bit = false;
  bool load_in_4bit = false;
  double llm_int8_threshold = 6.0;
  std::vector<std::string> llm_int8_skip_modules;  // see has_skip_modules
  bool has_skip_modules = false;                   // given, if only as []: replaces the default
  bool llm_int8_enable_fp32_cpu_offload = false;
  bool llm_int8_has_fp16_weight = false;
  DType bnb_4bit_compute_dtype = DType::kF32;
  Scheme bnb_4bit_quant_type = Scheme::kFp4;  // or kNf4
  bool bnb_4bit_use_double_quant = false;
  DType bnb_4bit_quant_storage = DType::kU8;

  bool quantized() const { return load_in_8bit || load_in_4bit; }
};

// A BitsAndBytesConfig as JSON, or the "quantization_config" of a config.json. Every field does
// something or is refused by name: INVALID_ARGUMENT "ORIGIN: FIELD: ...". UNIMPLEMENTED for another
// quant_method.
absl::StatusOr<QuantizationOptions> ParseQuantizationOptions(const Json& json,
                                                             absl::string_view origin);

// The same as transformers 5 writes it into config.json.
Json QuantizationOptionsToJson(const QuantizationOptions& options);

}  // namespace gantry

#endif  // GANTRY_MODEL_QUANTIZATION_CONFIG_H_
