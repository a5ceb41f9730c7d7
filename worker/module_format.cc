#include "worker/module_format.h"

#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr float kMaxThreshold = 1e30f;
constexpr size_t kExcerpt = 100;

absl::Status Wrong(absl::string_view field, absl::string_view of, absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("stages.modules.", field, " of ", of.substr(0, kExcerpt), ": ", text));
}

absl::StatusOr<Scheme> ParseScheme(absl::string_view field, absl::string_view of,
                                   const std::string& name) {
  const std::optional<Scheme> scheme = SchemeFromName(name);
  if (scheme.has_value()) return *scheme;
  return Wrong(field, of,
               absl::StrCat("expected fp32, fp16, bf16, int8, nf4 or fp4, found \"",
                            name.substr(0, kExcerpt), "\""));
}

absl::StatusOr<TensorScheme> ParseTensorScheme(const v1::WeightAssignment& weight) {
  TensorScheme scheme;
  GANTRY_ASSIGN_OR_RETURN(scheme.scheme,
                          ParseScheme("weights.scheme", weight.name(), weight.scheme()));
  if (weight.double_quant() && !IsFourBit(scheme.scheme)) {
    return Wrong("weights.double_quant", weight.name(),
                 absl::StrCat("expected nf4 or fp4 with it, found ", weight.scheme()));
  }
  scheme.double_quant = weight.double_quant();
  if (!IsFourBit(scheme.scheme)) return scheme;
  if (!IsBlockSize(weight.block_size())) {
    return Wrong(
        "weights.block_size", weight.name(),
        absl::StrCat("expected a power of two from 32 to 4096, found ", weight.block_size()));
  }
  scheme.block_size = weight.block_size();
  return scheme;
}

// What does not concern the scheme keeps its default, so that formats are equal when their weights
// are.
MatrixFormat MakeFormat(const TensorScheme& scheme, const Numerics& numerics) {
  MatrixFormat format;
  format.scheme = scheme;
  if (IsFourBit(scheme.scheme)) format.compute_dtype = numerics.four_bit_compute_dtype;
  if (scheme.scheme == Scheme::kInt8) {
    format.int8_threshold = numerics.int8_threshold;
    format.outliers_per_batch = numerics.outliers_per_batch;
  }
  return format;
}

using Schemes = std::map<std::string, TensorScheme>;  // by tensor

// The scheme of all parts of the product.
absl::StatusOr<TensorScheme> CommonScheme(const LinearSpec& linear, const Schemes& schemes,
                                          const TensorScheme& of_module) {
  std::vector<TensorScheme> found;
  for (const TensorSpec& tensor : linear.weights) {
    const auto own = schemes.find(tensor.name);
    found.push_back(own == schemes.end() ? of_module : own->second);
    if (found.back() == found.front()) continue;
    return Wrong(
        "weights.scheme", tensor.name,
        absl::StrCat("expected that of ", linear.weights[0].name, ", ", Describe(found.front()),
                     ", since one product takes both, found ", Describe(found.back()),
                     "; name all of its parts in llm_int8_skip_modules, or none"));
  }
  return found.front();
}

}  // namespace

std::vector<std::pair<const LinearSpec*, const MatrixFormat*>> ModuleMatrices(
    const ModuleSpec& spec, const ModuleFormat& format) {
  std::vector<std::pair<const LinearSpec*, const MatrixFormat*>> matrices = {
      {&spec.qkv, &format.qkv},
      {&spec.o, &format.o},
      {&spec.gate_up, &format.gate_up},
      {&spec.down, &format.down},
      {&spec.matrix, &format.matrix}};
  std::erase_if(matrices, [](const auto& matrix) { return matrix.first->weights.empty(); });
  return matrices;
}

absl::StatusOr<DType> ParseFloatType(absl::string_view field, const std::string& name) {
  if (name.empty()) return DType::kF32;
  const std::optional<DType> dtype = DTypeFromSafetensors(name);
  if (dtype.has_value() && IsFloat(*dtype)) return *dtype;
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": expected F32, BF16 or F16, found \"", name.substr(0, kExcerpt), "\""));
}

absl::StatusOr<Numerics> ParseNumerics(const v1::LoadRequest& request) {
  Numerics numerics;
  if (!request.has_numerics()) return numerics;
  const v1::Numerics& given = request.numerics();
  GANTRY_ASSIGN_OR_RETURN(numerics.compute.activation_dtype,
                          ParseFloatType("numerics.activation_dtype", given.activation_dtype()));
  GANTRY_ASSIGN_OR_RETURN(
      numerics.four_bit_compute_dtype,
      ParseFloatType("numerics.bnb_4bit_compute_dtype", given.bnb_4bit_compute_dtype()));
  const float threshold = given.llm_int8_threshold();
  if (!(threshold >= 0 && threshold < kMaxThreshold)) {
    return absl::InvalidArgumentError(
        absl::StrCat("numerics.llm_int8_threshold: expected 0 or more, found ", threshold));
  }
  numerics.int8_threshold = threshold;
  numerics.outliers_per_batch = given.outliers_per_batch();
  numerics.compute.deterministic = given.deterministic();
  return numerics;
}

absl::StatusOr<ModuleFormat> ParseModuleFormat(const v1::ModuleAssignment& assigned,
                                               const ModuleSpec& spec, const Numerics& numerics) {
  TensorScheme of_module;
  GANTRY_ASSIGN_OR_RETURN(of_module.scheme, ParseScheme("scheme", spec.name, assigned.scheme()));
  Schemes schemes;
  for (const v1::WeightAssignment& weight : assigned.weights()) {
    GANTRY_ASSIGN_OR_RETURN(const TensorScheme scheme, ParseTensorScheme(weight));
    if (!schemes.emplace(weight.name(), scheme).second) {
      return Wrong("weights.name", spec.name,
                   absl::StrCat("\"", weight.name().substr(0, kExcerpt), "\" twice"));
    }
  }
  ModuleFormat format;
  const std::pair<const LinearSpec*, MatrixFormat*> matrices[] = {{&spec.qkv, &format.qkv},
                                                                  {&spec.o, &format.o},
                                                                  {&spec.gate_up, &format.gate_up},
                                                                  {&spec.down, &format.down},
                                                                  {&spec.matrix, &format.matrix}};
  for (const auto& [linear, matrix] : matrices) {
    if (linear->weights.empty()) continue;
    GANTRY_ASSIGN_OR_RETURN(const TensorScheme scheme, CommonScheme(*linear, schemes, of_module));
    *matrix = MakeFormat(scheme, numerics);
    for (const TensorSpec& tensor : linear->weights) schemes.erase(tensor.name);
  }
  if (schemes.empty()) return format;
  return Wrong("weights.name", spec.name,
               absl::StrCat("the module has no matrix \"",
                            schemes.begin()->first.substr(0, kExcerpt), "\""));
}

std::string Describe(const TensorScheme& scheme) {
  std::string text(SchemeName(scheme.scheme));
  if (IsFourBit(scheme.scheme)) absl::StrAppend(&text, " in blocks of ", scheme.block_size);
  if (scheme.double_quant) absl::StrAppend(&text, " with double quantisation");
  return text;
}

}  // namespace gantry
