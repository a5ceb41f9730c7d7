#include "plan/planner.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "model/hub.h"
#include "plan/accelerate/device_map.h"
#include "plan/known_models/known_models.h"

namespace gantry {
namespace {

constexpr int64_t kContextStep = 256;
constexpr int64_t kUnlimitedContext = 1 << 20;
// Halvings in the search for how much is missing.
constexpr int kBisections = 24;

// Devices as the user limits them. Those that max_memory does not name get nothing.
absl::StatusOr<Hardware> LimitHardware(const PlannerOptions& options) {
  Hardware hardware = options.hardware;
  if (options.max_memory.has_value()) {
    for (HardwareDevice& device : hardware.devices) {
      uint64_t limit = 0;
      for (const auto& [name, bytes] : *options.max_memory) {
        if (name == device.name) limit = bytes;
      }
      device.memory_bytes = std::min(device.memory_bytes, limit);
    }
    for (const auto& [name, bytes] : *options.max_memory) {
      const bool known =
          std::any_of(hardware.devices.begin(), hardware.devices.end(),
                      [&name = name](const HardwareDevice& device) { return device.name == name; });
      if (known || name == "disk" || bytes < kMinDeviceBytes) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("--max_memory: there is no device \"", name,
                       "\"; add it to --gpus or --cpus, or leave both out"));
    }
  }
  return hardware;
}

bool IsGpu(const HardwareDevice& device) { return device.kind == MemoryKind::kGpu; }

// The bytes that each GPU (or CPU, without GPUs) would need more.
uint64_t MissingBytes(const PlanResult& result) {
  const bool gpus =
      std::any_of(result.hardware.devices.begin(), result.hardware.devices.end(), IsGpu);
  const auto with_more = [&](uint64_t more) {
    PlanCosts costs = result.costs;
    for (HardwareDevice& device : costs.devices) {
      if (IsGpu(device) == gpus) device.memory_bytes += more;
    }
    return CanPlace(costs, result.usable);
  };
  uint64_t high = 1'000'000;
  while (!with_more(high)) {
    if (high > (uint64_t{1} << 61)) return high;
    high *= 2;
  }
  uint64_t low = high / 2;
  for (int i = 0; i < kBisections && high - low > 1'000'000; ++i) {
    const uint64_t middle = low + (high - low) / 2;
    (with_more(middle) ? high : low) = middle;
  }
  return high;
}

std::string DeviceWord(const PlanResult& result) {
  int gpus = 0;
  int cpus = 0;
  for (const HardwareDevice& device : result.hardware.devices) ++(IsGpu(device) ? gpus : cpus);
  if (gpus == 0) return cpus == 1 ? "the CPU" : "each CPU";
  return gpus == 1 ? "the GPU" : "each GPU";
}

// What the model takes on one device of the first kind, and what there is.
std::string NeededWords(const PlanResult& result) {
  const PlanCosts& costs = result.costs;
  const int kind = costs.kind_of(0);
  std::vector<int> units(costs.num_units);
  uint64_t kv = 0;
  for (int u = 0; u < costs.num_units; ++u) {
    units[u] = u;
    kv += costs.kv[kind][u];
  }
  uint64_t offered = 0;
  for (size_t d = 0; d < result.hardware.devices.size(); ++d) {
    if (result.usable[d]) offered += result.hardware.devices[d].memory_bytes;
  }
  return absl::StrCat(FormatBytes(WeightsTogether(costs, units, kind)), " of weights, ",
                      FormatBytes(kv), " of keys and values, and ",
                      FormatBytes(costs.head_activations[kind] + costs.overhead[kind]),
                      " besides; there are ", FormatBytes(offered));
}

void PlaceOptimal(const PlannerModel& model, const PlannerOptions& options, bool count_missing,
                  PlanResult* result) {
  OptimalPlan optimal = FindOptimalPlan(result->costs, options.objective, result->usable);
  result->searched = true;
  result->exact = optimal.exact;
  if (!optimal.device_of.empty()) {
    result->plan = EvaluatePlan(result->costs, std::move(optimal.device_of));
    result->device_map = MapFromUnits(model.tree, result->plan.device_of, result->hardware.devices);
    return;
  }
  const std::vector<bool> all(result->usable.size(), true);
  if (result->usable != all) {
    optimal = FindOptimalPlan(result->costs, options.objective, all);
    if (!optimal.device_of.empty()) {
      result->problem = PlanProblem::kOffloadFlag;
      result->error = std::string(
          CheckOffload(MapFromUnits(model.tree, optimal.device_of, result->hardware.devices),
                       options.quantization)
              .message());
      return;
    }
  }
  result->problem = PlanProblem::kMemory;
  if (!count_missing) return;
  result->missing_bytes = MissingBytes(*result);
  result->error = absl::StrCat(NeededWords(*result), "; ", DeviceWord(*result), " would need ",
                               FormatBytes(result->missing_bytes), " more");
}

// The placement of a map that accelerate or the user made.
absl::Status PlaceMap(const PlannerModel& model, const PlannerOptions& options, DeviceMap map,
                      PlanResult* result) {
  result->device_map = std::move(map);
  const auto on_disk = std::count_if(result->device_map.begin(), result->device_map.end(),
                                     [](const auto& entry) { return entry.second == "disk"; });
  if (const absl::Status offload = CheckOffload(result->device_map, options.quantization);
      !offload.ok() && !options.offload_dtype.has_value()) {
    result->problem = PlanProblem::kOffloadFlag;
    result->error = std::string(offload.message());
  }
  if (on_disk > 0) {
    if (result->problem == PlanProblem::kNone) {
      result->problem = PlanProblem::kDisk;
      result->error = absl::StrCat("the map leaves ", on_disk,
                                   " module(s) on the disk, which Gantry does not compute from");
    }
    return absl::OkStatus();
  }
  GANTRY_ASSIGN_OR_RETURN(std::vector<int> units,
                          UnitsFromMap(model.tree, result->device_map, result->hardware.devices));
  result->plan = EvaluatePlan(result->costs, std::move(units));
  if (result->plan.fits || result->problem != PlanProblem::kNone) return absl::OkStatus();
  result->problem = PlanProblem::kMemory;
  for (size_t d = 0; d < result->plan.loads.size(); ++d) {
    const uint64_t missing = result->plan.loads[d].missing_bytes();
    if (missing <= result->missing_bytes) continue;
    result->missing_bytes = missing;
    result->error = absl::StrCat("with scales, cache, activations and the process, device ",
                                 result->hardware.devices[d].name, " would need ",
                                 FormatBytes(missing), " more than accelerate's sizes say");
    if (options.given_map.has_value()) {
      result->error = absl::StrCat("under this map device ", result->hardware.devices[d].name,
                                   " would need ", FormatBytes(missing), " more");
    }
  }
  return absl::OkStatus();
}

// The limits in the user's words if there are any, so that a device with nothing stays in the list.
MaxMemory LimitsForAccelerate(const PlannerOptions& options, const Hardware& hardware) {
  MaxMemory limits;
  for (const HardwareDevice& device : hardware.devices) {
    if (IsGpu(device) || device.name == "cpu") {
      limits.emplace_back(device.name, device.memory_bytes);
    }
  }
  if (!options.max_memory.has_value()) return limits;
  MaxMemory given = *options.max_memory;
  for (auto& [name, bytes] : given) {
    for (const auto& [known, most] : limits) {
      if (known == name) bytes = std::min(bytes, most);
    }
  }
  return given;
}

// The largest multiple of `step` up to `most` that passes, if smaller ones do; 0 if none.
template <typename Passes>
int64_t LargestPassing(int64_t step, int64_t most, const Passes& passes) {
  int64_t low = 0;
  int64_t high = most / step + 1;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (passes(middle * step) ? low : high) = middle;
  }
  return low * step;
}

}  // namespace

absl::StatusOr<PlannerModel> LoadPlannerModel(absl::string_view name) {
  std::string path(name);
  if (!absl::EndsWith(name, ".json")) {
    const absl::StatusOr<std::string> folder = ResolveModel(name);
    if (!folder.ok()) {
      const absl::StatusOr<const KnownModel*> known = FindKnownModel(name);
      if (!known.ok()) {
        return absl::NotFoundError(
            absl::StrCat(known.status().message(), ". ", folder.status().message()));
      }
      GANTRY_ASSIGN_OR_RETURN(ModelTree tree, BuildModelTree((*known)->config, (*known)->name));
      return PlannerModel{(*known)->name, std::move(tree)};
    }
    path = JoinPath(*folder, "config.json");
  }
  GANTRY_ASSIGN_OR_RETURN(const Json config, ReadJsonFile(path));
  GANTRY_ASSIGN_OR_RETURN(ModelTree tree, BuildModelTree(config, path));
  return PlannerModel{std::string(name), std::move(tree)};
}

absl::Status UseServingRequest(const PlannerModel& model, const ServingRequest& request,
                               PlannerOptions* options) {
  GANTRY_ASSIGN_OR_RETURN(ServingFormat format,
                          ResolveServingFormat(request, model.tree, model.name));
  options->quantization = std::move(format.weights.quantization);
  options->checkpoint_quantization = format.checkpoint_quantization;
  return absl::OkStatus();
}

ServingFormat MakeServingFormat(const ModelTree& tree, const PlannerOptions& options) {
  ServingFormat format;
  format.weights.dtype = options.dtype.value_or(tree.dtype.value_or(DType::kF32));
  format.weights.quantization = options.quantization;
  format.offload_dtype = options.offload_dtype;
  format.kv_cache_dtype = options.kv_cache_dtype;
  return format;
}

PlanWorkload MakeWorkload(const ModelTree& tree, const PlannerOptions& options) {
  PlanWorkload workload;
  const ServingFormat format = MakeServingFormat(tree, options);
  workload.format = format.weights;
  workload.cpu_format = format.Weights(MemoryKind::kCpu);
  int64_t context = kDefaultPlanContext;
  if (tree.max_positions > 0) context = std::min(context, tree.max_positions);
  workload.shape.context = options.context.value_or(context);
  workload.shape.batch = options.batch;
  workload.shape.kv_dtype = format.KvDType(MemoryKind::kGpu);
  workload.prompt_tokens = options.prompt_tokens > 0
                               ? options.prompt_tokens
                               : std::min<int64_t>(512, workload.shape.context);
  return workload;
}

absl::StatusOr<PlanResult> MakePlan(const PlannerModel& model, const PlannerOptions& options,
                                    bool count_missing) {
  PlanResult result;
  result.workload = MakeWorkload(model.tree, options);
  const int64_t context = result.workload.shape.context;
  if (model.tree.max_positions > 0 && context > model.tree.max_positions) {
    return absl::InvalidArgumentError(absl::StrCat("--context=", context, ": ", model.name,
                                                   " has positions for ", model.tree.max_positions,
                                                   " tokens"));
  }
  if (result.workload.prompt_tokens > context) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--prompt_tokens=", result.workload.prompt_tokens, ": more than the context of ", context));
  }
  GANTRY_ASSIGN_OR_RETURN(result.hardware, LimitHardware(options));
  const bool accelerates = options.device_map != "optimal" && !options.given_map.has_value();
  if (!accelerates && options.memory_fraction.has_value()) {
    for (HardwareDevice& device : result.hardware.devices) {
      device.memory_bytes = static_cast<uint64_t>(static_cast<double>(device.memory_bytes) *
                                                  *options.memory_fraction);
    }
  }
  const std::vector<HardwareDevice>& devices = result.hardware.devices;
  const bool gpus = std::any_of(devices.begin(), devices.end(), IsGpu);
  const QuantizationOptions& quantization = options.quantization;
  const bool may_offload = MakeServingFormat(model.tree, options).MayOffload();
  for (const HardwareDevice& device : devices) {
    result.usable.push_back(IsGpu(device) || !gpus || may_offload);
  }
  result.weights =
      ComputeUnitWeights(model.tree, result.workload.format, result.workload.cpu_format);
  result.costs = ComputePlanCosts(model.tree, result.weights, result.workload, result.hardware);
  if (options.given_map.has_value()) {
    GANTRY_RETURN_IF_ERROR(CheckDeviceMap(model.tree, *options.given_map));
    GANTRY_RETURN_IF_ERROR(PlaceMap(model, options, *options.given_map, &result));
  } else if (accelerates) {
    GANTRY_ASSIGN_OR_RETURN(const AccelerateMode mode, ParseAccelerateMode(options.device_map));
    const double fraction = options.memory_fraction.value_or(quantization.quantized() ? 0.9 : 1.0);
    GANTRY_ASSIGN_OR_RETURN(
        DeviceMap map,
        InferDeviceMap(model.tree, result.workload.format,
                       LimitsForAccelerate(options, result.hardware), mode, fraction));
    GANTRY_RETURN_IF_ERROR(PlaceMap(model, options, std::move(map), &result));
  } else {
    PlaceOptimal(model, options, count_missing, &result);
  }
  return result;
}

int64_t LargestContext(const ModelTree& tree, const PlanResult& result) {
  const int64_t most = tree.max_positions > 0 ? tree.max_positions : kUnlimitedContext;
  const int64_t step = std::min(kContextStep, most);
  return LargestPassing(step, most, [&](int64_t context) {
    PlanWorkload workload = result.workload;
    workload.shape.context = context;
    return CanPlace(ComputePlanCosts(tree, result.weights, workload, result.hardware),
                    result.usable);
  });
}

int64_t LargestBatch(const ModelTree& tree, const PlanResult& result) {
  return LargestPassing(1, 4096, [&](int64_t batch) {
    PlanWorkload workload = result.workload;
    workload.shape.batch = batch;
    return CanPlace(ComputePlanCosts(tree, result.weights, workload, result.hardware),
                    result.usable);
  });
}

std::string FormatName(const WeightFormat& format) {
  const std::string rest = absl::StrCat(format.dtype == DType::kF32   ? "float32"
                                        : format.dtype == DType::kF16 ? "float16"
                                                                      : "bfloat16");
  const QuantizationOptions& quantization = format.quantization;
  if (quantization.load_in_8bit) return absl::StrCat("int8, the rest ", rest);
  if (!quantization.load_in_4bit) return rest;
  return absl::StrCat(std::string(SchemeName(quantization.bnb_4bit_quant_type)),
                      quantization.bnb_4bit_use_double_quant ? " with double quantisation" : "",
                      ", the rest ", rest);
}

}  // namespace gantry
