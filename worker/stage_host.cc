#include "worker/stage_host.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "worker/grpc_next_stage.h"

namespace gantry {
namespace {

// All workers are told to load at about the same time, and answer for the next epoch at once.
constexpr absl::Duration kLinkTimeout = absl::Seconds(60);

std::vector<LoadPlan::Module> AllModules(const LoadPlan& plan) {
  std::vector<LoadPlan::Module> modules;
  for (const LoadPlan::StageRequest& stage : plan.stages) {
    modules.insert(modules.end(), stage.modules.begin(), stage.modules.end());
  }
  return modules;
}

// As LoadModule shares it.
bool SharesMatrix(const LoadPlan::Module& a, const LoadPlan::Module& b) {
  const std::vector<TensorSpec>& weights = a.spec.matrix.weights;
  const std::vector<TensorSpec>& others = b.spec.matrix.weights;
  return !weights.empty() && !others.empty() && weights[0].name == others[0].name &&
         a.format.matrix == b.format.matrix;
}

}  // namespace

StageHost::StageHost(StageHostOptions options, Backend* backend, Epoch::OnFault on_fault)
    : options_(std::move(options)), backend_(backend), on_fault_(std::move(on_fault)) {}

StageHost::~StageHost() { Unload(/*keep_weights=*/false); }

void StageHost::set_endpoint(const v1::Endpoint& endpoint) {
  absl::MutexLock lock(&mutex_);
  endpoint_ = endpoint;
}

bool StageHost::IsSelf(const v1::Endpoint& endpoint) const {
  absl::MutexLock lock(&mutex_);
  return endpoint.address() == endpoint_.address() &&
         endpoint.unix_path() == endpoint_.unix_path() && endpoint.host_id() == endpoint_.host_id();
}

void StageHost::SetCurrent(std::shared_ptr<Epoch> epoch) {
  std::shared_ptr<Epoch> old;
  {
    absl::MutexLock lock(&mutex_);
    old = std::exchange(current_, std::move(epoch));
  }
  if (old != nullptr) old->Stop();
}

std::shared_ptr<Epoch> StageHost::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

absl::StatusOr<std::shared_ptr<Epoch>> StageHost::FindEpoch(uint64_t number,
                                                            absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  auto has_come = [this, number]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return current_ != nullptr && current_->number() >= number;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&has_come), timeout);
  if (current_ != nullptr && current_->number() == number) return current_;
  return absl::FailedPreconditionError(absl::StrCat(
      "worker ", options_.worker, ": epoch ", number, " is not in force, ",
      current_ == nullptr ? "nothing is loaded" : absl::StrCat(current_->number(), " is")));
}

void StageHost::Unload(bool keep_weights) {
  ++loads_;
  absl::MutexLock lock(&load_mutex_);
  SetCurrent(nullptr);
  if (!keep_weights) weights_.clear();
}

absl::Status StageHost::UnloadEpoch(uint64_t epoch) {
  GANTRY_RETURN_IF_ERROR(FindEpoch(epoch, absl::ZeroDuration()).status());
  Unload(/*keep_weights=*/false);
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> StageHost::Load(const v1::LoadRequest& request,
                                         const OnProgress& on_progress) {
  if (const std::shared_ptr<Epoch> old = current();
      old != nullptr && request.epoch() <= old->number()) {
    return absl::FailedPreconditionError(
        absl::StrCat("epoch: expected more than ", old->number(), ", found ", request.epoch()));
  }
  const uint64_t load = ++loads_;
  absl::MutexLock lock(&load_mutex_);
  if (Overtaken(load)) return absl::AbortedError("another load has begun");
  GANTRY_ASSIGN_OR_RETURN(const LoadPlan plan, MakeLoadPlan(request, options_.model_root));
  auto epoch = std::make_shared<Epoch>(plan.epoch, on_fault_);
  SetCurrent(epoch);
  absl::StatusOr<uint64_t> measured = absl::UnknownError("");
  absl::Status loaded = Configure(plan);
  if (loaded.ok()) loaded = CheckMemory(plan);
  if (loaded.ok()) {
    loaded = LoadWeights(plan, [&](uint64_t bytes, uint64_t total) {
      if (Overtaken(load)) return absl::AbortedError("another load has begun");
      return on_progress(bytes, total);
    });
  }
  measured = loaded.ok() ? Assemble(plan, epoch.get(), load) : loaded;
  if (!measured.ok()) {
    SetCurrent(nullptr);
    return measured;
  }
  LogInfo(absl::StrCat("epoch ", plan.epoch, ": predicted ", FormatBytes(plan.predicted_bytes),
                       ", measured ", FormatBytes(*measured)));
  return measured;
}

absl::Status StageHost::Configure(const LoadPlan& plan) {
  load_mutex_.AssertHeld();
  if (!options_.chooses_types || plan.compute == compute_) return absl::OkStatus();
  weights_.clear();
  GANTRY_RETURN_IF_ERROR(backend_->Configure(plan.compute));
  compute_ = plan.compute;
  return absl::OkStatus();
}

DType StageHost::KvDType(const LoadPlan& plan) const {
  return options_.chooses_types ? plan.kv_dtype : DType::kF32;
}

absl::Status StageHost::CheckMemory(const LoadPlan& plan) const {
  const KvCacheShape cache = {plan.shape.num_blocks, plan.shape.block_size,
                              plan.config.num_kv_heads, plan.config.head_dim, KvDType(plan)};
  uint64_t bytes = plan.workspace_bytes;
  const std::vector<LoadPlan::Module> modules = AllModules(plan);
  for (auto module = modules.begin(); module != modules.end(); ++module) {
    // A tied lm_head takes nothing beside an embedding of the same format.
    const bool shared = std::any_of(
        modules.begin(), module,
        [&module](const LoadPlan::Module& other) { return SharesMatrix(*module, other); });
    if (!shared) bytes += NeededBytes(module->spec, module->format, *backend_);
    if (module->spec.kind == ModuleKind::kLayer) bytes += backend_->KvCacheBytes(cache);
  }
  if (bytes <= options_.memory_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("worker ", options_.worker, ": its modules need ", FormatBytes(bytes),
                   ", it offers ", FormatBytes(options_.memory_bytes)));
}

absl::Status StageHost::LoadWeights(const LoadPlan& plan, const OnProgress& on_progress) {
  load_mutex_.AssertHeld();
  if (weights_key_ != plan.model_key) weights_.clear();
  weights_key_ = plan.model_key;
  const std::vector<LoadPlan::Module> modules = AllModules(plan);
  WeightMap kept;
  uint64_t total = 0;
  for (const LoadPlan::Module& module : modules) {
    const auto old = weights_.find(module.spec.name);
    if (old != weights_.end() && old->second->format == module.format) {
      kept.insert(*old);
    } else {
      total += SourceBytes(module.spec, *plan.source);
    }
  }
  weights_ = std::move(kept);
  uint64_t loaded = 0;
  for (const LoadPlan::Module& module : modules) {
    if (weights_.contains(module.spec.name)) continue;
    const uint64_t before = loaded;
    GANTRY_ASSIGN_OR_RETURN(std::shared_ptr<const ModuleWeights> weights,
                            LoadModule(module.spec, module.format, *plan.source, weights_, backend_,
                                       [&](uint64_t bytes) {
                                         loaded += bytes;
                                         return on_progress(loaded, total);
                                       }));
    weights_.emplace(module.spec.name, std::move(weights));
    loaded = before + SourceBytes(module.spec, *plan.source);  // a shared matrix is not read
  }
  return on_progress(total, total);
}

absl::StatusOr<uint64_t> StageHost::Assemble(const LoadPlan& plan, Epoch* epoch, uint64_t load) {
  load_mutex_.AssertHeld();
  GANTRY_ASSIGN_OR_RETURN(
      std::unique_ptr<Workspace> workspace,
      Workspace::Create(plan.config, plan.shape, plan.HasModule(ModuleKind::kLmHead), backend_));
  StepLimits limits;
  limits.rows = plan.shape.max_step_tokens;
  limits.logit_rows = std::min(plan.shape.max_step_rows, plan.shape.max_step_tokens);
  limits.context = plan.shape.context;
  limits.heads = plan.config.num_heads;
  limits.kv_heads = plan.config.num_kv_heads;
  limits.head_dim = plan.config.head_dim;
  GANTRY_RETURN_IF_ERROR(backend_->Reserve(limits));
  uint64_t measured = MeasuredBytes(weights_) + workspace->bytes() + backend_->scratch_bytes();
  std::vector<LinkedStage> stages;
  for (const LoadPlan::StageRequest& request : plan.stages) {
    StageSpec spec;
    spec.epoch = plan.epoch;
    spec.index = request.index;
    spec.worker = options_.worker;
    spec.config = plan.config;
    spec.shape = plan.shape;
    spec.kv_dtype = KvDType(plan);
    for (const LoadPlan::Module& module : request.modules) {
      spec.modules.push_back(weights_.at(module.spec.name));
    }
    LinkedStage linked;
    GANTRY_ASSIGN_OR_RETURN(linked.stage,
                            Stage::Create(std::move(spec), workspace.get(), backend_));
    measured += linked.stage->kv_cache_bytes();
    stages.push_back(std::move(linked));
  }
  for (size_t i = 0; i < stages.size(); ++i) {
    GANTRY_ASSIGN_OR_RETURN(stages[i].next,
                            OpenNext(plan.stages[i], stages[i].stage->has_head(), epoch, load));
  }
  epoch->Activate(std::move(workspace), std::move(stages));
  return measured;
}

absl::StatusOr<std::unique_ptr<NextStage>> StageHost::OpenNext(const LoadPlan::StageRequest& stage,
                                                               bool is_last, Epoch* epoch,
                                                               uint64_t load) {
  if (!is_last && IsSelf(stage.next)) {
    return std::unique_ptr<NextStage>(new LocalNextStage(epoch));
  }
  NextStageTarget target;
  target.endpoint = stage.next;
  target.role = is_last ? kCoordinatorRole : kWorkerRole;
  target.epoch = epoch->number();
  const std::string name =
      absl::StrCat("link from stage ", stage.index, " to ", stage.next.address());
  return GrpcNextStage::Open(
      target, options_.credentials, absl::Now() + kLinkTimeout,
      [this, load] { return Overtaken(load); },
      [epoch, name](const absl::Status& status) {
        epoch->Fault(absl::StrCat(name, " broke: ", status.ToString()));
      });
}

}  // namespace gantry
