#include "coordinator/prediction.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/status_macros.h"
#include "plan/known_devices.h"
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

// Where a GPU is not known by name: what most of them multiply in 16 bits while they read a byte.
constexpr double kFlopsPerByte = 150;

// "NVIDIA H200, compute capability 9.0, 151 GB": as workers describe themselves.
const KnownDevice* FindGpu(absl::string_view description) {
  return FindKnownDevice(description.substr(0, description.find(',')), MemoryKind::kGpu);
}

HardwareDevice ToHardware(const Member& worker) {
  const v1::DeviceFacts& facts = worker.hello.device();
  HardwareDevice device;
  device.name = worker.hello.name();
  device.kind = KindOfDevice(facts.device());
  device.memory_bytes = std::min(facts.memory_bytes(), kMaxDeviceBytes);
  // plan/speed.h expects a vendor's peak and counts a share of it; this is what can be read.
  if (device.kind == MemoryKind::kCpu) {
    device.bytes_per_s = std::max(1.0, facts.read_bytes_per_s() / kCpuBandwidthShare);
    device.flops =
        std::max<uint32_t>(1, facts.threads()) * FlopsPerCycle(facts.isa()) * kCyclesPerSecond;
    return device;
  }
  device.bytes_per_s = std::max(1.0, facts.read_bytes_per_s() / kGpuReadableShare);
  const KnownDevice* const known = FindGpu(facts.description());
  device.flops = known != nullptr ? known->teraflops * 1e12 : device.bytes_per_s * kFlopsPerByte;
  device.int8_ops = known != nullptr ? known->int8_teraops * 1e12 : 2 * device.flops;
  return device;
}

PlanCosts Costs(const ServedModel& model, const CoordinatorOptions& options,
                const std::vector<Member>& workers, int64_t batch, int64_t context) {
  PlanWorkload workload;
  const ServingFormat& format = model.schemes.format;
  workload.format = format.Weights(MemoryKind::kGpu);
  workload.cpu_format = format.Weights(MemoryKind::kCpu);
  workload.shape.batch = batch;
  workload.shape.context = context;
  workload.shape.step_tokens = options.max_step_tokens;
  workload.shape.kv_dtype = format.KvDType(MemoryKind::kGpu);
  Hardware hardware;
  for (const Member& worker : workers) hardware.devices.push_back(ToHardware(worker));
  PlanCosts costs = ComputePlanCosts(
      model.tree, ComputeUnitWeights(model.tree, workload.format, workload.cpu_format), workload,
      hardware);
  // A worker's --memory is for the model alone.
  costs.overhead = {};
  return costs;
}

// What the workers will count: matrices padded, and room for more rows of logits than there are
// sequences.
void UseBytes(const ServedModel& model, const PlacementCosts& bytes, PlanCosts* costs) {
  absl::flat_hash_map<std::string, int> units;
  for (int unit = 0; unit < costs->num_units; ++unit) {
    units[model.tree.units[unit].name] = unit;
  }
  for (int kind = 0; kind < 2; ++kind) {
    const PlacementCosts::OnKind& on = bytes.on_kind[kind];
    costs->activations[kind] = on.workspace;
    costs->head_activations[kind] = on.head_workspace;
    if (!on.tied) costs->tied_unit.assign(costs->num_units, -1);
    for (size_t m = 0; m < model.modules.size(); ++m) {
      const auto unit = units.find(model.modules[m].name);
      if (unit == units.end()) continue;
      costs->weights[kind][unit->second] = on.weights[m];
      costs->kv[kind][unit->second] = std::max(costs->kv[kind][unit->second], on.kv[m]);
    }
  }
}

bool HasGpu(const std::vector<HardwareDevice>& devices) {
  return std::any_of(devices.begin(), devices.end(),
                     [](const HardwareDevice& device) { return device.kind == MemoryKind::kGpu; });
}

}  // namespace

absl::StatusOr<DeviceMap> OptimalDeviceMap(const ServedModel& model,
                                           const CoordinatorOptions& options,
                                           const std::vector<Member>& workers,
                                           const PlacementCosts& bytes, const ServingShape& shape) {
  // The same number of tokens as the blocks have.
  const int64_t context = (shape.num_blocks * shape.block_size + options.batch - 1) / options.batch;
  PlanCosts costs = Costs(model, options, workers, options.batch, context);
  UseBytes(model, bytes, &costs);
  std::vector<bool> usable;
  const bool gpus = HasGpu(costs.devices);
  for (const HardwareDevice& device : costs.devices) {
    usable.push_back(device.kind == MemoryKind::kGpu || !gpus || bytes.may_offload);
  }
  const OptimalPlan plan = FindOptimalPlan(costs, options.objective, usable);
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
