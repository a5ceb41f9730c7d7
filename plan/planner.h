#ifndef GANTRY_PLAN_PLANNER_H_
#define GANTRY_PLAN_PLANNER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plan/accelerate/max_memory.h"
#include "plan/device_spec.h"
#include "plan/model_tree.h"
#include "plan/optimal.h"
#include "plan/plan.h"
#include "plan/plan_costs.h"
#include "plan/serving_request.h"

namespace gantry {

inline constexpr int64_t kMaxPlanContext = int64_t{1} << 30;
inline constexpr int64_t kMaxPlanBatch = int64_t{1} << 20;
inline constexpr int64_t kDefaultPlanContext = 4096;

// What the planner is asked. The texts are kept as they were given, to make commands of.
struct PlannerOptions {
  std::string model;      // a folder, a config.json, a name; "": the hardware-first table
  std::string gpus_text;  // what `hardware` was read from
  std::string cpus_text;
  std::string network_text;
  Hardware hardware;
  QuantizationOptions quantization;
  std::string quantization_config;       // file that it was read from, if any
  bool checkpoint_quantization = false;  // it is the checkpoint's own
  std::optional<DType> dtype;            // not set: the checkpoint's ("auto")
  std::string device_map = "optimal";    // a mode; "map" with `given_map`
  std::optional<DeviceMap> given_map;
  std::string given_map_file;
  std::optional<MaxMemory> max_memory;
  std::string max_memory_text;
  std::optional<double> memory_fraction;
  std::optional<int64_t> context;  // not set: 4096, or what the model can if that is less
  int64_t batch = 1;
  int64_t prompt_tokens = 0;  // 0: 512, or the context if that is less
  PlanObjective objective = PlanObjective::kLatency;
  std::optional<DType> kv_cache_dtype;  // of GPUs; not set: as `dtype`
  std::optional<OffloadDType> offload_dtype;
};

struct PlannerModel {
  std::string name;
  ModelTree tree;
};
// From a folder, a file config.json, the local hub cache, or the known models, in that order.
// NOT_FOUND for a name that nobody knows; other errors lie in the checkpoint.
absl::StatusOr<PlannerModel> LoadPlannerModel(absl::string_view name);

// Takes over how the model is to be quantised, by the request, which the other options came from,
// and the checkpoint. Errors are those of ResolveServingFormat.
absl::Status UseServingRequest(const PlannerModel& model, const ServingRequest& request,
                               PlannerOptions* options);

// Why a plan is not to be had.
enum class PlanProblem { kNone, kMemory, kOffloadFlag, kDisk };

struct PlanResult {
  PlanWorkload workload;
  Hardware hardware;  // with the limits of --max_memory and --memory_fraction
  UnitWeights weights;
  PlanCosts costs;
  std::vector<bool> usable;  // [devices], by `optimal`
  Plan plan;                 // without placement: loads are empty
  bool searched = false;     // by `optimal`, not given by a map
  bool exact = true;
  DeviceMap device_map;  // empty without placement
  PlanProblem problem = PlanProblem::kNone;
  std::string error;           // what is wrong, if something is
  uint64_t missing_bytes = 0;  // on each GPU (without GPUs: each CPU)
  bool fits() const { return problem == PlanProblem::kNone; }
};

// INVALID_ARGUMENT for options that contradict each other or the model. What does not fit is a
// result. `count_missing`: whether to find out, by more searches, how much memory is missing.
absl::StatusOr<PlanResult> MakePlan(const PlannerModel& model, const PlannerOptions& options,
                                    bool count_missing = true);

// How the options hold the model.
ServingFormat MakeServingFormat(const ModelTree& tree, const PlannerOptions& options);

// The workload that the options ask for.
PlanWorkload MakeWorkload(const ModelTree& tree, const PlannerOptions& options);

// The largest context, a multiple of 256 up to what the model can, that `optimal` has room for with
// everything else as it is; 0 if none.
int64_t LargestContext(const ModelTree& tree, const PlanResult& result);
// The same of the batch.
int64_t LargestBatch(const ModelTree& tree, const PlanResult& result);

// A `planner` command of these options, quoted for a shell.
std::string PlannerCommand(const PlannerOptions& options);

// "nf4 + double quantisation, the rest bfloat16".
std::string FormatName(const WeightFormat& format);

}  // namespace gantry

#endif  // GANTRY_PLAN_PLANNER_H_
