#include "coordinator/prediction.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "plan/optimal.h"
#include "plan/speed.h"

namespace gantry {
namespace {

// A worker measures its bandwidth and not its arithmetic, so that is a guess: cores of 3 GHz with
// two units for multiply-add.
constexpr double kCyclesPerSecond = 3e9;
double FlopsPerCycle(absl::string_view isa) {
  if (isa == "avx512") return 64;
  if (isa == "avx2") return 32;
  return 16;
}

HardwareDevice ToHardware(const Member& worker) {
  const v1::DeviceFacts& facts = worker.hello.device();
  HardwareDevice device;
  device.name = worker.hello.name();
  device.kind = MemoryKind::kCpu;
  device.memory_bytes = std::min(facts.memory_bytes(), kMaxDeviceBytes);
  // plan/speed.h expects a vendor's peak and counts a share of it; this is what can be read.
  device.bytes_per_s = std::max(1.0, facts.read_bytes_per_s() / kCpuBandwidthShare);
  device.flops =
      std::max<uint32_t>(1, facts.threads()) * FlopsPerCycle(facts.isa()) * kCyclesPerSecond;
  return device;
}

PlanCosts Costs(const ServedModel& model, const CoordinatorOptions& options,
                const std::vector<Member>& workers, int64_t batch, int64_t context) {
  PlanWorkload workload;
  workload.format.dtype = DType::kF32;
  workload.shape.batch = batch;
  workload.shape.context = context;
  workload.shape.step_tokens = options.max_step_tokens;
  workload.shape.kv_dtype = DType::kF32;
  Hardware hardware;
  for (const Member& worker : workers) hardware.devices.push_back(ToHardware(worker));
  PlanCosts costs = ComputePlanCosts(model.tree, ComputeUnitWeights(model.tree, workload.format),
                                     workload, hardware);
  // A worker's --memory is for the model alone.
  costs.overhead = {};
  return costs;
}

}  // namespace

absl::StatusOr<DeviceMap> OptimalDeviceMap(const ServedModel& model,
                                           const CoordinatorOptions& options,
                                           const std::vector<Member>& workers,
                                           const ServingShape& shape) {
  // The same number of tokens as the blocks have.
  const int64_t context = (shape.num_blocks * shape.block_size + options.batch - 1) / options.batch;
  PlanCosts costs = Costs(model, options, workers, options.batch, context);
  // Workers keep room for more rows of logits than there are sequences.
  costs.activations = WorkspaceBytes(model.config, shape, false);
  costs.head_activations = WorkspaceBytes(model.config, shape, true);
  const OptimalPlan plan = FindOptimalPlan(costs, options.objective);
  if (plan.device_of.empty()) {
    return absl::ResourceExhaustedError("no placement on these workers fits");
  }
  return MapFromUnits(model.tree, plan.device_of, costs.devices);
}

absl::StatusOr<SpeedPrediction> PredictSpeed(const ServedModel& model,
                                             const CoordinatorOptions& options,
                                             const std::vector<Member>& workers,
                                             const Placement& placement) {
  DeviceMap map;
  absl::flat_hash_map<std::string, int> stage_of;
  for (size_t stage = 0; stage < placement.stages.size(); ++stage) {
    const StagePlan& run = placement.stages[stage];
    for (int i = run.begin; i < run.end; ++i) {
      map.emplace_back(model.modules[i].name, workers[run.device].hello.name());
      stage_of[model.modules[i].name] = static_cast<int>(stage);
    }
  }
  // Frequencies are computed wherever layers are.
  map.emplace_back("model.rotary_emb", map.front().second);
  const PlanCosts costs = Costs(model, options, workers, /*batch=*/1, model.context);
  GANTRY_ASSIGN_OR_RETURN(std::vector<int> device_of, UnitsFromMap(model.tree, map, costs.devices));
  const Plan plan = EvaluatePlan(costs, std::move(device_of));
  SpeedPrediction prediction;
  prediction.decode_tokens_per_s = plan.predicted.decode_tokens_per_s;
  prediction.prefill_tokens_per_s = plan.predicted.prefill_tokens_per_s;
  prediction.stage_ms.resize(placement.stages.size());
  for (int unit = 0; unit < costs.num_units; ++unit) {
    const auto stage = stage_of.find(model.tree.units[unit].name);
    if (stage == stage_of.end()) continue;
    prediction.stage_ms[stage->second] += costs.decode_of(plan.device_of[unit])[unit] * 1e3;
  }
  return prediction;
}

}  // namespace gantry
