#ifndef GANTRY_PLAN_SERVING_REQUEST_H_
#define GANTRY_PLAN_SERVING_REQUEST_H_

#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plan/model_tree.h"
#include "plan/serving_format.h"

namespace gantry {

// What a user asks of how a model is held, by flags or a file. What was not asked for, the
// checkpoint decides, or else a default.
struct ServingRequest {
  QuantizationOptions quantization;  // defaults where nothing was given
  // Fields of BitsAndBytesConfig that were given, with their names there, and "llm_int8_outliers".
  std::set<std::string> given;
  std::string quantization_config;  // the file that they come from; empty: the command line
  std::optional<DType> dtype;       // not set: the checkpoint's
  std::optional<DType> kv_cache_dtype;
  std::optional<OffloadDType> offload_dtype;
  bool outliers_per_batch = false;
  bool deterministic = false;
};

// The format in which the model is served. A checkpoint that is already quantised brings its own
// options. What only says how to compute (bnb_4bit_compute_dtype, llm_int8_threshold and
// llm_int8_enable_fp32_cpu_offload) may be given beside it; what says how weights are stored must
// be the same: INVALID_ARGUMENT names the flag or the file's field, also for an option that would
// have no effect. DATA_LOSS, or UNIMPLEMENTED for another method, when the checkpoint's own
// quantization_config is wrong; these name `model`.
absl::StatusOr<ServingFormat> ResolveServingFormat(const ServingRequest& request,
                                                   const ModelTree& tree, absl::string_view model);

}  // namespace gantry

#endif  // GANTRY_PLAN_SERVING_REQUEST_H_
