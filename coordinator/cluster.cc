#include "coordinator/cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "base/log.h"
#include "proto/channel.h"

namespace gantry {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
// After a link broke, the stream of the worker behind it is given this long to break as well.
constexpr absl::Duration kBlameTime = absl::Milliseconds(300);
constexpr absl::Duration kRetryTime = absl::Seconds(1);
constexpr absl::Duration kLinkTimeout = absl::Seconds(10);
constexpr absl::Duration kUnloadTimeout = absl::Seconds(2);
constexpr absl::Duration kProgressTime = absl::Seconds(5);

// Whether the same worker would fail in the same way again.
bool IsLasting(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

}  // namespace

Cluster::Cluster(const CoordinatorOptions* options, const ServedModel* model,
                 std::optional<DeviceMap> device_map, const Credentials* credentials,
                 const Clock* clock, EngineLoop* engine, Callbacks callbacks)
    : options_(options),
      model_(model),
      device_map_(std::move(device_map)),
      credentials_(credentials),
      clock_(clock),
      engine_(engine),
      callbacks_(std::move(callbacks)),
      membership_(clock, options->lease, [this] { Wake(); }) {}

Cluster::~Cluster() { Stop(absl::CancelledError("the coordinator ended")); }

void Cluster::Start(v1::Endpoint results) {
  results_ = std::move(results);
  thread_ = std::thread([this] { Run(); });
}

void Cluster::Stop(const absl::Status& why) {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  const std::shared_ptr<const EpochPlan> plan = plan_;
  LeaveEpoch(why, &EngineLoop::EndEpoch);
  if (plan != nullptr) Unload(*plan);
}

void Cluster::Wake() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

void Cluster::Suspect(uint64_t epoch, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  suspicions_.push_back({epoch, std::move(status)});
  woken_ = true;
}

void Cluster::OnFault(uint64_t session, const v1::Fault& fault) {
  const std::shared_ptr<const EpochPlan> plan = report().plan;
  if (plan == nullptr || plan->epoch != fault.epoch()) return;
  const std::optional<int> worker = plan->FindWorker(session);
  if (!worker.has_value()) return;
  Suspect(fault.epoch(), absl::UnavailableError(absl::StrCat(
                             "worker ", plan->workers[*worker].hello.name(), " (",
                             plan->Modules(*model_, *worker), "): ", fault.message())));
}

bool Cluster::WantsResults(uint64_t epoch) const {
  const std::shared_ptr<const EpochPlan> plan = report().plan;
  return plan != nullptr && plan->epoch == epoch;
}

void Cluster::OnResultsEnded(uint64_t epoch) {
  const std::shared_ptr<const EpochPlan> plan = report().plan;
  if (plan == nullptr || plan->epoch != epoch) return;
  const int worker = plan->placement.stages.back().device;
  Suspect(epoch, absl::UnavailableError(absl::StrCat("worker ", plan->workers[worker].hello.name(),
                                                     " (", plan->Modules(*model_, worker),
                                                     ") was lost: its stream of results ended")));
}

Cluster::Report Cluster::report() const {
  absl::MutexLock lock(&mutex_);
  return report_;
}

void Cluster::Run() {
  SetReason(absl::StrCat("waiting for workers: 0 of ", options_->min_workers, " have joined"));
  while (true) {
    std::vector<Suspicion> suspicions;
    {
      absl::MutexLock lock(&mutex_);
      const auto awake = [this]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return woken_ || stopping_; };
      mutex_.AwaitWithTimeout(absl::Condition(&awake), kTick);
      if (stopping_) return;
      woken_ = false;
      suspicions.swap(suspicions_);
    }
    membership_.ExpireLeases();
    ReadDepartures();
    CheckSuspicion(std::move(suspicions));
    if (phase_ == Phase::kServing) CheckSteps();
    if (phase_ == Phase::kLoading) ContinueLoading();
    if (phase_ == Phase::kWaiting) TryPlan();
  }
}

void Cluster::ReadDepartures() {
  for (const Departure& departure : membership_.TakeDepartures()) {
    LogWarning(absl::StrCat("worker ", departure.name, " is gone: ", departure.reason));
    if (plan_ == nullptr) continue;
    const std::optional<int> worker = plan_->FindWorker(departure.session);
    if (!worker.has_value() || plan_->Modules(*model_, *worker).empty()) continue;
    FailEpoch(
        absl::UnavailableError(absl::StrCat(Describe(*worker), " was lost: ", departure.reason)));
  }
}

void Cluster::CheckSuspicion(std::vector<Suspicion> suspicions) {
  for (Suspicion& suspicion : suspicions) {
    if (plan_ == nullptr || plan_->epoch != suspicion.epoch || !suspicion_.ok()) continue;
    suspicion_ = std::move(suspicion.status);
    suspicion_ends_ = clock_->Now() + kBlameTime;
  }
  if (!suspicion_.ok() && clock_->Now() >= suspicion_ends_) {
    const absl::Status why = suspicion_;
    FailEpoch(why);
    retry_at_ = clock_->Now() + kRetryTime;
  }
}

void Cluster::CheckSteps() {
  const std::optional<absl::Duration> sent = engine_->report().oldest_step_sent;
  if (!sent.has_value() || clock_->Now() - *sent < options_->step_timeout) return;
  // The first in the pipeline that has run the fewest steps is the one that hangs.
  const std::vector<Member> members = membership_.Members();
  int slowest = plan_->placement.stages.front().device;
  uint64_t fewest = ~uint64_t{0};
  for (const StagePlan& stage : plan_->placement.stages) {
    for (const Member& member : members) {
      if (member.session == plan_->workers[stage.device].session &&
          member.progress.epoch() == plan_->epoch && member.progress.steps() < fewest) {
        fewest = member.progress.steps();
        slowest = stage.device;
      }
    }
  }
  FailEpoch(absl::UnavailableError(absl::StrCat("a step did not come back within ",
                                                absl::FormatDuration(options_->step_timeout),
                                                "; it seems to hang at ", Describe(slowest))));
  retry_at_ = clock_->Now() + kRetryTime;
}

void Cluster::TryPlan() {
  const std::vector<Member> members = membership_.Members();
  if (members.size() < options_->min_workers) {
    SetReason(absl::StrCat("waiting for workers: ", members.size(), " of ", options_->min_workers,
                           " have joined",
                           last_failure_.empty() ? "" : "; before that: ", last_failure_));
    return;
  }
  if (members.empty() || clock_->Now() < retry_at_) return;
  std::vector<uint64_t> sessions;
  for (const Member& member : members) sessions.push_back(member.session);
  if (sessions == failed_sessions_) return;
  absl::StatusOr<EpochPlan> plan =
      MakeEpochPlan(last_epoch_ + 1, *model_, *options_, device_map_, members);
  if (plan.ok()) {
    failed_sessions_.clear();
    BeginLoading(*std::move(plan));
    return;
  }
  failed_sessions_ = sessions;
  LogError(plan.status().message());
  SetReason(std::string(plan.status().message()));
  if (absl::IsResourceExhausted(plan.status()) && !has_served_) callbacks_.on_misfit(plan.status());
}

void Cluster::BeginLoading(EpochPlan plan) {
  last_epoch_ = plan.epoch;
  plan_ = std::make_shared<const EpochPlan>(std::move(plan));
  LogInfo(DescribePlan(*plan_, *model_));
  phase_ = Phase::kLoading;
  next_log_ = clock_->Now() + kProgressTime;
  {
    absl::MutexLock lock(&mutex_);
    report_.epoch = plan_->epoch;
    report_.plan = plan_;
    report_.loads.clear();
  }
  SetReason("the model is being loaded");
  const std::vector<v1::LoadRequest> requests =
      MakeLoadRequests(*plan_, *model_, *options_, results_);
  for (int i = 0; i < requests.size(); ++i) {
    if (requests[i].stages().empty()) {
      LogInfo(absl::StrCat("worker ", plan_->workers[i].hello.name(), " stays spare"));
      loads_.push_back(nullptr);
      continue;
    }
    loads_.push_back(std::make_unique<LoadCall>(ChannelTo(plan_->workers[i]), requests[i],
                                                options_->load_timeout, [this] { Wake(); }));
  }
}

void Cluster::ContinueLoading() {
  std::map<uint64_t, v1::LoadProgress> loads;
  bool all_loaded = true;
  for (int i = 0; i < loads_.size(); ++i) {
    if (loads_[i] == nullptr) continue;
    const LoadCall::State state = loads_[i]->state();
    loads[plan_->workers[i].session] = state.progress;
    all_loaded = all_loaded && state.ended;
    if (!state.ended || state.status.ok()) continue;
    const uint64_t session = plan_->workers[i].session;
    const std::string why = absl::StrCat(Describe(i), " cannot load: ", state.status.message());
    FailEpoch(absl::UnavailableError(why));
    retry_at_ = clock_->Now() + kRetryTime;
    if (IsLasting(state.status)) membership_.Refuse(session, state.status);
    return;
  }
  {
    absl::MutexLock lock(&mutex_);
    report_.loads = loads;
  }
  if (all_loaded) {
    BeginServing();
  } else if (clock_->Now() >= next_log_) {
    LogProgress(loads);
  }
}

void Cluster::LogProgress(const std::map<uint64_t, v1::LoadProgress>& loads) {
  next_log_ = clock_->Now() + kProgressTime;
  uint64_t loaded = 0;
  uint64_t total = 0;
  for (const auto& [session, load] : loads) {
    loaded += load.bytes_loaded();
    total += load.bytes_total();
  }
  const std::string text = absl::StrFormat("the model is being loaded: %s of %s",
                                           FormatBytes(loaded), FormatBytes(total));
  LogInfo(text);
  SetReason(text);
}

void Cluster::BeginServing() {
  const Member& first = plan_->workers[plan_->placement.stages.front().device];
  const uint64_t epoch = plan_->epoch;
  absl::StatusOr<std::unique_ptr<StepLink>> link =
      StepLink::Open(ChannelTo(first), epoch, kLinkTimeout, [this, epoch](absl::Status status) {
        const std::shared_ptr<const EpochPlan> plan = report().plan;
        if (plan == nullptr || plan->epoch != epoch) return;
        const int worker = plan->placement.stages.front().device;
        Suspect(epoch, absl::UnavailableError(absl::StrCat(
                           "worker ", plan->workers[worker].hello.name(), " (",
                           plan->Modules(*model_, worker), ") was lost: ", status.message())));
      });
  if (!link.ok()) {
    FailEpoch(absl::UnavailableError(
        absl::StrCat("cannot reach worker ", first.hello.name(), ": ", link.status().message())));
    retry_at_ = clock_->Now() + kRetryTime;
    return;
  }
  link_ = *std::move(link);
  phase_ = Phase::kServing;
  has_served_ = true;
  last_failure_.clear();
  engine_->BeginEpoch({epoch, static_cast<int>(plan_->placement.stages.size()),
                       plan_->shape.num_blocks, link_.get(), plan_->Numerics()});
  {
    absl::MutexLock lock(&mutex_);
    report_.ready = true;
    report_.reason.clear();
  }
  callbacks_.on_ready(true);
  LogInfo(absl::StrCat("ready: epoch ", epoch, ", ", plan_->placement.stages.size(),
                       " stages, context of ", plan_->shape.context, " tokens"));
}

void Cluster::FailEpoch(const absl::Status& why) {
  LogError(absl::StrCat("epoch ", plan_->epoch, " ends: ", why.message()));
  LeaveEpoch(why, &EngineLoop::SuspendEpoch);
}

void Cluster::LeaveEpoch(const absl::Status& why, void (EngineLoop::*end)(const absl::Status&)) {
  if (phase_ == Phase::kServing) callbacks_.on_ready(false);
  if (link_ != nullptr) link_->Cancel();
  (engine_->*end)(why);
  link_.reset();
  loads_.clear();
  plan_ = nullptr;
  phase_ = Phase::kWaiting;
  last_failure_ = std::string(why.message());
  suspicion_ = absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  report_.ready = false;
  report_.plan = nullptr;
  report_.loads.clear();
  report_.reason = std::string(why.message());
}

void Cluster::Unload(const EpochPlan& plan) {
  std::vector<std::thread> calls;
  for (int i = 0; i < plan.workers.size(); ++i) {
    if (plan.Modules(*model_, i).empty()) continue;
    calls.emplace_back([this, i, &plan] {
      const absl::Status status =
          UnloadStage(ChannelTo(plan.workers[i]), plan.epoch, kUnloadTimeout);
      if (!status.ok()) {
        LogWarning(absl::StrCat("worker ", plan.workers[i].hello.name(),
                                " did not unload: ", status.message()));
      }
    });
  }
  for (std::thread& call : calls) call.join();
}

void Cluster::SetReason(const std::string& reason) {
  {
    absl::MutexLock lock(&mutex_);
    if (report_.reason == reason) return;
    report_.reason = reason;
  }
  engine_->RefuseNew(absl::UnavailableError(reason));
}

std::string Cluster::Describe(int worker) const {
  return absl::StrCat("worker ", plan_->workers[worker].hello.name(), " (",
                      plan_->Modules(*model_, worker), ")");
}

std::shared_ptr<grpc::Channel> Cluster::ChannelTo(const Member& worker) const {
  return MakeChannel(worker.hello.endpoint(), *credentials_, kWorkerRole);
}

}  // namespace gantry
