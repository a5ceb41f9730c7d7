#include "coordinator/epoch_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "coordinator/blocks.h"

namespace gantry {
namespace {

std::string Range(const ServedModel& model, const StagePlan& stage) {
  const std::string& first = model.modules[stage.begin].name;
  const std::string& last = model.modules[stage.end - 1].name;
  return first == last ? first : absl::StrCat(first, " .. ", last);
}

// Lowers what the workers offer to --max_memory.
absl::Status ApplyMaxMemory(const CoordinatorOptions& options, std::vector<Member>* workers) {
  for (const auto& [name, bytes] : options.max_memory) {
    const auto worker = std::find_if(
        workers->begin(), workers->end(),
        [&wanted = name](const Member& member) { return member.hello.name() == wanted; });
    if (worker == workers->end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--max_memory: there is no worker named \"", name, "\""));
    }
    v1::DeviceFacts* const device = worker->hello.mutable_device();
    device->set_memory_bytes(std::min(device->memory_bytes(), bytes));
  }
  return absl::OkStatus();
}

}  // namespace

std::string EpochPlan::StageModules(const ServedModel& model, int stage) const {
  return Range(model, placement.stages[stage]);
}

std::string EpochPlan::Modules(const ServedModel& model, int worker) const {
  std::vector<std::string> ranges;
  for (const StagePlan& stage : placement.stages) {
    if (stage.device == worker) ranges.push_back(Range(model, stage));
  }
  return absl::StrJoin(ranges, ", ");
}

MemoryKind EpochPlan::KindOf(int worker) const {
  return KindOfDevice(workers[worker].hello.device().device());
}

std::string EpochPlan::Numerics() const {
  std::string kinds;
  for (const StagePlan& stage : placement.stages) {
    kinds.append(stage.end - stage.begin, KindOf(stage.device) == MemoryKind::kGpu ? 'g' : 'c');
  }
  return kinds;
}

std::optional<int> EpochPlan::FindWorker(uint64_t session) const {
  for (int i = 0; i < workers.size(); ++i) {
    if (workers[i].session == session) return i;
  }
  return std::nullopt;
}

absl::StatusOr<EpochPlan> MakeEpochPlan(uint64_t epoch, const ServedModel& model,
                                        const CoordinatorOptions& options,
                                        const std::optional<DeviceMap>& device_map,
                                        std::vector<Member> workers) {
  EpochPlan plan;
  plan.epoch = epoch;
  plan.workers = std::move(workers);
  GANTRY_RETURN_IF_ERROR(ApplyMaxMemory(options, &plan.workers));
  std::vector<DeviceSpec> devices;
  for (const Member& worker : plan.workers) {
    devices.push_back({worker.hello.name(), worker.hello.device().device(),
                       worker.hello.device().memory_bytes()});
  }
  ServingShape shape;
  shape.context = model.context;
  shape.block_size = options.block_size;
  shape.max_step_tokens = options.max_step_tokens;
  shape.max_step_rows = MaxStepRows(options);
  const auto place = [&](int64_t num_blocks) -> absl::StatusOr<Placement> {
    shape.num_blocks = num_blocks;
    const PlacementCosts costs =
        ComputePlacementCosts(model.config, model.modules, model.schemes, shape);
    if (device_map.has_value()) return PlaceByMap(model.modules, costs, devices, *device_map);
    absl::StatusOr<Placement> balanced = PlaceContiguous(costs, devices);
    if (options.balanced) return balanced;
    const absl::StatusOr<DeviceMap> optimal =
        OptimalDeviceMap(model, options, plan.workers, costs, shape);
    // The other says what is missing.
    if (!optimal.ok()) return balanced;
    return PlaceByMap(model.modules, costs, devices, *optimal);
  };
  // The most blocks that fit: `fits` do, `too_many` do not. All that are wanted usually do.
  int64_t fits = BlocksFor(model.context, options.block_size);
  absl::StatusOr<Placement> placement = place(fits);
  if (!placement.ok()) return placement.status();
  int64_t too_many = fits * options.batch + 1;
  for (int64_t middle = too_many - 1; fits < middle; middle = fits + (too_many - fits) / 2) {
    absl::StatusOr<Placement> larger = place(middle);
    if (larger.ok()) {
      fits = middle;
      placement = std::move(larger);
    } else {
      too_many = middle;
    }
  }
  shape.num_blocks = fits;
  plan.shape = shape;
  plan.placement = *std::move(placement);
  GANTRY_ASSIGN_OR_RETURN(plan.predicted,
                          PredictSpeed(model, options, plan.workers, plan.placement));
  return plan;
}

namespace {

// Empty for F32, as the messages have it.
std::string WireName(DType dtype) {
  return dtype == DType::kF32 ? "" : std::string(DTypeName(dtype));
}

void FillNumerics(const ServingFormat& format, v1::Numerics* out) {
  const QuantizationOptions& quantization = format.weights.quantization;
  out->set_activation_dtype(WireName(format.ActivationDType(MemoryKind::kGpu)));
  out->set_bnb_4bit_compute_dtype(WireName(quantization.bnb_4bit_compute_dtype));
  out->set_llm_int8_threshold(static_cast<float>(quantization.llm_int8_threshold));
  out->set_outliers_per_batch(format.outliers_per_batch);
  out->set_deterministic(format.deterministic);
}

void FillModule(const ModuleSpec& module, const ModuleSchemes& schemes, v1::ModuleAssignment* out) {
  out->set_name(module.name);
  out->set_scheme(std::string(SchemeName(schemes.rest)));
  for (const auto& [tensor, scheme] : schemes.weights) {
    v1::WeightAssignment* const weight = out->add_weights();
    weight->set_name(tensor);
    weight->set_scheme(std::string(SchemeName(scheme.scheme)));
    weight->set_double_quant(scheme.double_quant);
    if (IsFourBit(scheme.scheme)) weight->set_block_size(scheme.block_size);
  }
}

}  // namespace

std::vector<v1::LoadRequest> MakeLoadRequests(const EpochPlan& plan, const ServedModel& model,
                                              const CoordinatorOptions& options,
                                              const v1::Endpoint& results) {
  v1::LoadRequest common;
  common.set_epoch(plan.epoch);
  *common.mutable_model() = model.source;
  common.mutable_kv()->set_block_size(plan.shape.block_size);
  common.mutable_kv()->set_num_blocks(plan.shape.num_blocks);
  common.mutable_kv()->set_context(plan.shape.context);
  common.mutable_kv()->set_dtype(WireName(model.schemes.format.KvDType(MemoryKind::kGpu)));
  FillNumerics(model.schemes.format, common.mutable_numerics());
  common.set_max_step_tokens(plan.shape.max_step_tokens);
  common.set_max_step_rows(plan.shape.max_step_rows);
  std::vector<v1::LoadRequest> requests(plan.workers.size(), common);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].set_predicted_workspace_bytes(plan.placement.ledgers[i].workspace_bytes);
  }
  const std::vector<StagePlan>& stages = plan.placement.stages;
  for (int i = 0; i < stages.size(); ++i) {
    v1::StageAssignment* const out = requests[stages[i].device].add_stages();
    out->set_index(i);
    const std::vector<ModuleSchemes>& schemes = model.schemes.On(plan.KindOf(stages[i].device));
    for (int module = stages[i].begin; module < stages[i].end; ++module) {
      FillModule(model.modules[module], schemes[module], out->add_modules());
    }
    *out->mutable_next() =
        i + 1 < stages.size() ? plan.workers[stages[i + 1].device].hello.endpoint() : results;
    out->set_predicted_bytes(stages[i].predicted_bytes);
  }
  return requests;
}

std::string DescribePlan(const EpochPlan& plan, const ServedModel& model) {
  std::string text = absl::StrFormat("placement of epoch %d: %d blocks of %d tokens", plan.epoch,
                                     plan.shape.num_blocks, plan.shape.block_size);
  for (int i = 0; i < plan.placement.stages.size(); ++i) {
    const StagePlan& stage = plan.placement.stages[i];
    absl::StrAppendFormat(&text, "\n  stage %-3d %-16s %-5s %10s  %s", i,
                          plan.workers[stage.device].hello.name(),
                          std::string(SchemeName(stage.scheme)), FormatBytes(stage.predicted_bytes),
                          Range(model, stage));
  }
  for (int i = 0; i < plan.workers.size(); ++i) {
    const DeviceLedger& ledger = plan.placement.ledgers[i];
    absl::StrAppendFormat(&text,
                          "\n  worker %-20s weights %s, keys and values %s, workspace %s of %s",
                          plan.workers[i].hello.name(), FormatBytes(ledger.weights_bytes),
                          FormatBytes(ledger.kv_cache_bytes), FormatBytes(ledger.workspace_bytes),
                          FormatBytes(ledger.capacity_bytes));
  }
  const ServingFormat& format = model.schemes.format;
  bool on_gpu = false;
  for (const StagePlan& stage : plan.placement.stages) {
    on_gpu = on_gpu || plan.KindOf(stage.device) == MemoryKind::kGpu;
  }
  if (!on_gpu && format.weights.quantization.quantized() &&
      format.offload_dtype.value_or(OffloadDType::kFloat32) == OffloadDType::kFloat32) {
    absl::StrAppend(&text,
                    "\n  no GPU: nothing is quantised, since CPUs hold float32 unless "
                    "--offload_dtype says otherwise, for example --offload_dtype=auto");
  }
  return text;
}

}  // namespace gantry
