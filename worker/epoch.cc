#include "worker/epoch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

constexpr size_t kMaxQueuedFrames = 256;
constexpr double kSmoothing = 0.1;

void AddCost(uint32_t stage, absl::Duration queued, absl::Duration computed,
             v1::StepHeader* header) {
  v1::StageCost* const cost = header->add_costs();
  cost->set_stage(stage);
  cost->set_queued_s(static_cast<float>(absl::ToDoubleSeconds(queued)));
  cost->set_computed_s(static_cast<float>(absl::ToDoubleSeconds(computed)));
}

}  // namespace

Epoch::~Epoch() { Stop(); }

void Epoch::Activate(std::unique_ptr<Workspace> workspace, std::vector<LinkedStage> stages) {
  absl::MutexLock lock(&mutex_);
  workspace_ = std::move(workspace);
  stages_ = std::move(stages);
  for (const LinkedStage& linked : stages_) stats_.push_back({linked.stage->index()});
  ready_ = true;
  thread_ = std::thread([this] { ComputeSteps(); });
}

int Epoch::FindStage(uint32_t index) const {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i].stage->index() == index) return static_cast<int>(i);
  }
  return -1;
}

absl::Status Epoch::Submit(StepFrame frame) {
  const absl::Duration since = Clock::Real()->Now();
  absl::MutexLock lock(&mutex_);
  if (frame.header.epoch() < number_) {
    ++stale_frames_;
    return absl::OkStatus();
  }
  if (!ready_) {
    return absl::FailedPreconditionError(absl::StrCat("epoch ", number_, " is still loading"));
  }
  auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopped_ || queue_.size() < kMaxQueuedFrames;
  };
  mutex_.Await(absl::Condition(&has_room));
  if (stopped_) return absl::FailedPreconditionError(absl::StrCat("epoch ", number_, " is over"));
  const int at = FindStage(frame.header.stage());
  if (at < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("step frame: stage ", frame.header.stage(), " is not on this worker"));
  }
  GANTRY_RETURN_IF_ERROR(CheckFrame(frame, stages_[at].stage->limits()));
  queue_.push_back({std::move(frame), since});
  return absl::OkStatus();
}

void Epoch::SubmitLocal(StepFrame frame) {
  const absl::Duration since = Clock::Real()->Now();
  absl::MutexLock lock(&mutex_);
  if (!stopped_) queue_.push_back({std::move(frame), since});
}

void Epoch::ComputeSteps() {
  while (true) {
    Queued next;
    int at;
    {
      absl::MutexLock lock(&mutex_);
      auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopped_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&something));
      if (stopped_) return;
      next = std::move(queue_.front());
      queue_.pop_front();
      at = FindStage(next.frame.header.stage());
    }
    StepFrame& frame = next.frame;
    const LinkedStage& linked = stages_[at];
    const uint64_t step = frame.header.step();
    const absl::Duration begin = Clock::Real()->Now();
    const absl::Status run = linked.stage->Run(&frame);
    const absl::Duration computed = Clock::Real()->Now() - begin;
    if (!run.ok()) {
      Fault(absl::StrCat("step ", step, " failed in stage ", linked.stage->index(), ": ",
                         run.ToString()));
      return;
    }
    AddCost(linked.stage->index(), begin - next.since, computed, &frame.header);
    const size_t sent_bytes = frame.payload_bytes();
    linked.next->Send(std::move(frame));
    absl::MutexLock lock(&mutex_);
    StageStats& stats = stats_[at];
    const double ms = absl::ToDoubleMilliseconds(computed);
    stats.step_ms = stats.steps == 0 ? ms : stats.step_ms + kSmoothing * (ms - stats.step_ms);
    ++stats.steps;
    stats.sent_bytes += sent_bytes;
  }
}

void Epoch::Fault(const std::string& message) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return;
  }
  LogError(absl::StrCat("epoch ", number_, ": ", message));
  on_fault_(number_, message);
}

void Epoch::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    queue_.clear();
  }
  if (thread_.joinable()) thread_.join();
  for (LinkedStage& linked : stages_) linked.next->Close();
  absl::MutexLock lock(&mutex_);
  stages_.clear();
  workspace_.reset();
}

Epoch::Stats Epoch::GetStats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats;
  stats.stages = stats_;
  stats.stale_frames = stale_frames_;
  for (const StageStats& stage : stats_) stats.steps += stage.steps;
  return stats;
}

}  // namespace gantry
