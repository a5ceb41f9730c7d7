#ifndef GANTRY_PLAN_QUANTIZATION_H_
#define GANTRY_PLAN_QUANTIZATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "base/json.h"
#include "base/packed.h"
#include "plan/model_tree.h"

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
  int64_t block_size = 64;  // weights a 4-bit absmax stands for

  bool quantized() const { return load_in_8bit || load_in_4bit; }
};

// A BitsAndBytesConfig as JSON, or the "quantization_config" of a config.json. Every field does
// something or is refused by name: INVALID_ARGUMENT "ORIGIN: FIELD: ...". UNIMPLEMENTED for another
// quant_method.
absl::StatusOr<QuantizationOptions> ParseQuantizationOptions(const Json& json,
                                                             absl::string_view origin);

// What is asked of a model: the type of what is not quantised, and what is quantised.
struct WeightFormat {
  DType dtype = DType::kF32;  // kF32, kF16 or kBF16
  // Of embeddings and of the output embedding, where they are not quantised; not set: `dtype`.
  std::optional<DType> embedding_dtype;
  QuantizationOptions quantization;
};

// How weights of kF32, kF16 or kBF16 are stored unquantised.
Scheme SchemeOfDType(DType dtype);

// Full names and leaf names of modules that stay as they are: the user's list, or by default the
// output embedding (with tied tensors: all modules that hold them and the last one), and in either
// case the modules that the family keeps in fp32. transformers' get_keys_to_not_convert.
std::vector<std::string> ModulesToNotConvert(const ModelTree& tree,
                                             const QuantizationOptions& options);

// Whether `key` names `module_name`, a module above it, or its last part. At dots: "layers.1" does
// not name "layers.10".
bool MatchesModule(absl::string_view key, absl::string_view module_name);

// Decides for every tensor of a model. Cheap to ask: the rules are worked out once.
class SchemeRules {
 public:
  SchemeRules(const ModelTree& tree, const WeightFormat& format);
  TensorScheme Of(absl::string_view module_name, const TreeModule& module,
                  const TreeTensor& tensor) const;
  const std::vector<std::string>& not_converted() const { return not_converted_; }
  const WeightFormat& format() const { return format_; }

 private:
  WeightFormat format_;
  std::string output_embedding_;
  std::vector<std::string> not_converted_;
  std::vector<std::string> keep_in_fp32_;
};

}  // namespace gantry

#endif  // GANTRY_PLAN_QUANTIZATION_H_
