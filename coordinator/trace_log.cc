#include "coordinator/trace_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace gantry {
namespace {

void AddCosts(const std::vector<StageCost>& costs, std::vector<v1::StageTrace>* sums) {
  if (sums->size() < costs.size()) sums->resize(costs.size());
  for (size_t i = 0; i < costs.size(); ++i) {
    v1::StageTrace& sum = (*sums)[i];
    sum.set_queued_s(sum.queued_s() + double{costs[i].queued_s});
    sum.set_computed_s(sum.computed_s() + double{costs[i].computed_s});
  }
}

}  // namespace

void TraceLog::OnChange(const RequestRecord& record) {
  absl::MutexLock lock(&mutex_);
  const auto [found, is_new] = running_.try_emplace(record.number);
  Trace& trace = found->second;
  trace.record = record;
  if (!is_new) return;
  trace.arrived = absl::Now();
  trace.covered_to = record.arrived;
}

void TraceLog::OnToken(const RequestRecord& record, std::optional<absl::Duration>) {
  absl::MutexLock lock(&mutex_);
  const auto found = running_.find(record.number);
  if (found == running_.end()) return;
  RequestRecord& known = found->second.record;
  known.first_token = record.first_token;
  known.last_token = record.last_token;
  known.completion_tokens = record.completion_tokens;
}

void TraceLog::OnEnd(const RequestRecord& record, const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  auto node = running_.extract(record.number);
  if (node.empty()) return;
  Trace& trace = node.mapped();
  trace.record = record;
  trace.finished_reason = std::string(FinishedReason(record, status));
  trace.finished = status.ok();
  trace.error = ErrorOf(status);
  ended_.push_front(std::move(trace));
  if (ended_.size() > kMaxEnded) ended_.pop_back();
}

void TraceLog::OnStepDone(const DoneStep& done) {
  const auto step = std::make_shared<const Step>(
      Step{done.sent, done.done, done.tokens, TransferOf(done), done.stages});
  absl::MutexLock lock(&mutex_);
  for (const DoneStep::Part& part : done.parts) {
    const auto found = running_.find(part.request);
    if (found != running_.end()) AddStep(step, part.tokens, &found->second);
  }
}

void TraceLog::AddStep(const std::shared_ptr<const Step>& step, int64_t tokens, Trace* trace) {
  Part* const last = !trace->latest.empty()  ? &trace->latest.back()
                     : !trace->first.empty() ? &trace->first.back()
                                             : nullptr;
  if (last != nullptr && last->step == step) {  // another answer
    last->tokens += tokens;
    return;
  }
  const absl::Duration begin = std::max(trace->covered_to, step->sent);
  const bool prefills = trace->record.first_token == absl::InfiniteDuration();
  AddToPhase(*step, step->done - begin, prefills ? &trace->prefill : &trace->decode);
  trace->covered_to = step->done;

  const size_t bytes = sizeof(Part) + sizeof(Step) + step->stages.size() * sizeof(step->stages[0]);
  const size_t half = std::max(kMinSteps, kMaxStepBytes / bytes) / 2;
  if (trace->latest.empty() && trace->first.size() < half) {
    trace->first.push_back({step, tokens});
    return;
  }
  trace->latest.push_back({step, tokens});
  while (trace->latest.size() > half) {
    trace->latest.pop_front();
    ++trace->left_out;
  }
}

void TraceLog::AddToPhase(const Step& step, absl::Duration covered, Phase* phase) {
  ++phase->steps;
  phase->covered += covered;
  phase->steps_s += absl::ToDoubleSeconds(step.done - step.sent);
  phase->transfer_s += absl::ToDoubleSeconds(step.transfer);
  AddCosts(step.stages, &phase->stages);
}

v1::RequestTrace TraceLog::Describe(const Trace& trace, bool steps) const {
  const RequestRecord& record = trace.record;
  v1::RequestTrace out;
  out.set_request_id(record.id);
  out.set_client(record.client);
  out.set_arrived(absl::ToDoubleSeconds(trace.arrived - absl::UnixEpoch()));
  out.set_finished_reason(trace.finished_reason);
  out.set_error(trace.error);
  out.set_n(record.n);
  out.set_prompt_tokens(record.prompt_tokens);
  out.set_shared_prompt_tokens(record.shared_tokens);
  out.set_completion_tokens(record.completion_tokens);
  out.set_preemptions(record.preemptions);
  out.set_recoveries(record.recoveries);
  const RequestTimes times = TimesOf(record, clock_->Now(), trace.finished);
  out.set_queue_s(absl::ToDoubleSeconds(times.queue));
  const auto describe = [](const Phase& phase, absl::Duration time, v1::PhaseTrace* to) {
    to->set_seconds(absl::ToDoubleSeconds(time));
    to->set_idle_s(absl::ToDoubleSeconds(std::max(absl::ZeroDuration(), time - phase.covered)));
    to->set_steps(phase.steps);
    to->set_steps_s(phase.steps_s);
    to->set_transfer_s(phase.transfer_s);
    to->mutable_stages()->Add(phase.stages.begin(), phase.stages.end());
  };
  describe(trace.prefill, times.prefill, out.mutable_prefill());
  describe(trace.decode, times.decode, out.mutable_decode());
  if (!steps) return out;
  const auto add = [&](const Part& part) {
    v1::TraceStep* const step = out.add_steps();
    step->set_sent_s(absl::ToDoubleSeconds(part.step->sent - record.arrived));
    step->set_seconds(absl::ToDoubleSeconds(part.step->done - part.step->sent));
    step->set_tokens(part.tokens);
    step->set_step_tokens(part.step->tokens);
    step->set_transfer_s(absl::ToDoubleSeconds(part.step->transfer));
    for (const StageCost& cost : part.step->stages) {
      v1::StageTrace* const stage = step->add_stages();
      stage->set_queued_s(cost.queued_s);
      stage->set_computed_s(cost.computed_s);
    }
  };
  for (const Part& part : trace.first) add(part);
  for (const Part& part : trace.latest) add(part);
  out.set_steps_before_gap(trace.first.size());
  out.set_steps_left_out(trace.left_out);
  return out;
}

std::vector<const TraceLog::Trace*> TraceLog::Visible(const Viewer& viewer) const {
  std::vector<const Trace*> traces;
  const auto add = [&](const Trace& trace) {
    if (!viewer.has_value() || trace.record.client == *viewer) traces.push_back(&trace);
  };
  for (const auto& [number, trace] : running_) add(trace);
  for (const Trace& trace : ended_) add(trace);
  std::sort(traces.begin(), traces.end(),
            [](const Trace* a, const Trace* b) { return a->record.number > b->record.number; });
  return traces;
}

absl::StatusOr<v1::GetTracesResponse> TraceLog::Get(const Viewer& viewer,
                                                    const v1::GetTracesRequest& request) const {
  if (request.limit() < 0 || request.limit() > kMaxLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit: expected 0 to ", kMaxLimit, ", found ", request.limit()));
  }
  if (request.request_id().empty()) {
    return Latest(viewer, request.limit() == 0 ? kDefaultLimit : request.limit());
  }
  v1::GetTracesResponse found = Find(viewer, request.request_id());
  if (found.traces().empty()) {
    return absl::NotFoundError(
        absl::StrCat("request_id: expected one of the requests that run or of the last ", kMaxEnded,
                     " that have ended, found none of this id"));
  }
  return found;
}

v1::GetTracesResponse TraceLog::Latest(const Viewer& viewer, size_t limit) const {
  v1::GetTracesResponse out;
  absl::MutexLock lock(&mutex_);
  std::vector<const Trace*> traces = Visible(viewer);
  if (traces.size() > limit) traces.resize(limit);
  for (const Trace* trace : traces) *out.add_traces() = Describe(*trace, /*steps=*/false);
  return out;
}

v1::GetTracesResponse TraceLog::Find(const Viewer& viewer, absl::string_view id) const {
  v1::GetTracesResponse out;
  absl::MutexLock lock(&mutex_);
  for (const Trace* trace : Visible(viewer)) {
    if (trace->record.id != id) continue;
    *out.add_traces() = Describe(*trace, /*steps=*/true);
    if (out.traces_size() == kMaxFound) break;
  }
  return out;
}

}  // namespace gantry
