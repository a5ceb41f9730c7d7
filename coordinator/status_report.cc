#include "coordinator/status_report.h"

#include <algorithm>

#include "base/version.h"

namespace gantry {
namespace {

void FillWorker(const Member& member, v1::WorkerStatus* out) {
  const v1::DeviceFacts& device = member.hello.device();
  out->set_name(member.hello.name());
  out->set_address(member.hello.endpoint().address());
  out->set_device(device.device());
  out->set_resident_bytes(member.progress.resident_bytes());
  out->set_memory_bytes(device.memory_bytes());
  out->set_read_bytes_per_s(device.read_bytes_per_s());
  out->set_threads(device.threads());
  out->set_isa(device.isa());
  out->set_description(device.description());
}

void FillAssigned(const ServedModel& model, const EpochPlan& plan, int worker,
                  const v1::LoadProgress& load, v1::WorkerStatus* out) {
  for (const StagePlan& stage : plan.placement.stages) {
    if (stage.device != worker) continue;
    for (int i = stage.begin; i < stage.end; ++i) out->add_modules(model.modules[i].name);
  }
  if (out->modules().empty()) return;
  out->set_predicted_bytes(plan.placement.ledgers[worker].total_bytes());
  out->set_measured_bytes(load.measured_bytes());
  if (load.done()) {
    out->set_loaded(1);
  } else if (load.bytes_total() > 0) {
    out->set_loaded(static_cast<double>(load.bytes_loaded()) / load.bytes_total());
  }
}

void FillTiming(const std::vector<Member>& members, uint64_t session, v1::StageStatus* out) {
  for (const Member& member : members) {
    if (member.session != session) continue;
    for (const v1::StageTiming& timing : member.progress.stages()) {
      if (timing.index() != out->index()) continue;
      out->set_step_ms(timing.step_ms());
      out->set_steps(timing.steps());
      out->set_sent_bytes(timing.sent_bytes());
    }
  }
}

// What a worker takes is measured as a whole, and so known of its only stage.
void FillBytes(const EpochPlan& plan, const std::map<uint64_t, v1::LoadProgress>& loads, int index,
               v1::StageStatus* out) {
  const std::vector<StagePlan>& stages = plan.placement.stages;
  const int worker = stages[index].device;
  const auto of_worker = [worker](const StagePlan& stage) { return stage.device == worker; };
  uint64_t predicted = stages[index].predicted_bytes;
  if (std::none_of(stages.begin(), stages.begin() + index, of_worker)) {
    predicted += plan.placement.ledgers[worker].workspace_bytes;
  }
  out->set_predicted_bytes(predicted);
  const auto load = loads.find(plan.workers[worker].session);
  if (load != loads.end() && std::count_if(stages.begin(), stages.end(), of_worker) == 1) {
    out->set_measured_bytes(load->second.measured_bytes());
  }
}

double PerSecond(double ms) { return ms > 0 ? 1e3 / ms : 0; }

}  // namespace

v1::GetStatusResponse MakeStatus(const ServedModel& model, const std::vector<Member>& members,
                                 const Cluster::Report& cluster, const EngineLoop::Report& engine) {
  v1::GetStatusResponse status;
  status.set_ready(cluster.ready);
  status.set_epoch(cluster.epoch);
  status.set_model(model.name);
  status.set_reason(cluster.reason);
  status.set_context(model.context);
  status.set_vocab_size(model.config.vocab_size);
  status.set_version(kVersion);
  *status.mutable_counters() = engine.counters;
  for (const Member& member : members) {
    v1::WorkerStatus* const worker = status.add_workers();
    FillWorker(member, worker);
    if (cluster.plan == nullptr) continue;
    if (const auto index = cluster.plan->FindWorker(member.session)) {
      const auto load = cluster.loads.find(member.session);
      FillAssigned(model, *cluster.plan, *index,
                   load == cluster.loads.end() ? v1::LoadProgress() : load->second, worker);
    }
  }
  if (cluster.plan == nullptr) return status;
  const SpeedPrediction& predicted = cluster.plan->predicted;
  status.set_predicted_decode_tokens_per_s(predicted.decode_tokens_per_s);
  status.set_predicted_prefill_tokens_per_s(predicted.prefill_tokens_per_s);
  const std::vector<StagePlan>& stages = cluster.plan->placement.stages;
  for (int i = 0; i < stages.size(); ++i) {
    const Member& worker = cluster.plan->workers[stages[i].device];
    v1::StageStatus* const stage = status.add_stages();
    stage->set_index(i);
    stage->set_predicted_ms(predicted.stage_ms[i]);
    stage->set_worker(worker.hello.name());
    const absl::string_view scheme = SchemeName(stages[i].scheme);
    stage->set_scheme(scheme.data(), scheme.size());
    stage->set_device(worker.hello.device().device());
    FillBytes(*cluster.plan, cluster.loads, i, stage);
    FillTiming(members, worker.session, stage);
    stage->set_predicted_tokens_per_s(PerSecond(stage->predicted_ms()));
    if (stage->steps() > 0) stage->set_tokens_per_s(PerSecond(stage->step_ms()));
    for (int module = stages[i].begin; module < stages[i].end; ++module) {
      stage->add_modules(model.modules[module].name);
      (*status.mutable_device_map())[model.modules[module].name] = worker.hello.name();
    }
  }
  return status;
}

}  // namespace gantry
