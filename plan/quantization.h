#ifndef GANTRY_PLAN_QUANTIZATION_H_
#define GANTRY_PLAN_QUANTIZATION_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/dtype.h"
#include "base/packed.h"
#include "model/quantization_config.h"
#include "plan/model_tree.h"

namespace gantry {

// What is asked of a model: the type of what is not quantised, and what is quantised.
struct WeightFormat {
  DType dtype = DType::kF32;  // kF32, kF16 or kBF16
  QuantizationOptions quantization;
  // Of embeddings and of the output embedding, where they are not quantised; not set: `dtype`.
  std::optional<DType> embedding_dtype;
};

// Full names and leaf names of modules that stay as they are: the user's list, or by default the
// output embedding (with tied tensors: all modules that hold them and the last one), and in either
// case the modules that the family keeps in fp32. transformers' get_keys_to_not_convert.
std::vector<std::string> ModulesToNotConvert(const ModelTree& tree,
                                             const QuantizationOptions& options);

// Whether `key` names `module_name`, a module above it, or its last part. At dots: "layers.1" does
// not name "layers.10".
bool MatchesModule(absl::string_view key, absl::string_view module_name);

// INVALID_ARGUMENT "--llm_int8_skip_modules: ..." for a key that matches no module with tensors.
absl::Status CheckSkipModules(const ModelTree& tree, const std::vector<std::string>& keys);

// Decides for every tensor of a model. Cheap to ask: the rules are worked out once.
class SchemeRules {
 public:
  SchemeRules(const ModelTree& tree, const WeightFormat& format);
  TensorScheme Of(absl::string_view module_name, const TreeModule& module,
                  const TreeTensor& tensor) const;
  const WeightFormat& format() const { return format_; }

 private:
  WeightFormat format_;
  std::string output_embedding_;
  std::vector<std::string> not_converted_;
  std::vector<std::string> keep_in_fp32_;
};

}  // namespace gantry

#endif  // GANTRY_PLAN_QUANTIZATION_H_
