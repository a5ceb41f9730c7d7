#include "coordinator/status_metrics.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/version.h"

namespace gantry {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  void Begin(const std::string& name, MetricType type, const std::string& help) {
    MetricFamily& family = families_.emplace_back();
    family.name = absl::StrCat("gantry_", name);
    family.help = help;
    family.type = type;
  }
  // Of the family begun last.
  void Add(double value, Labels labels) {
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    metric.gauge.value = value;
    metric.counter.value = value;
  }
  void Gauge(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    Begin(name, MetricType::Gauge, help);
    Add(value, std::move(labels));
  }
  void Counter(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    Begin(name, MetricType::Counter, help);
    Add(value, std::move(labels));
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double ToDouble(uint64_t value) { return static_cast<double>(value); }

void AddRequests(const v1::GetStatusResponse& status, Families* out) {
  const v1::Counters& counters = status.counters();
  const Labels model = {{"model_name", status.model()}};
  out->Gauge("num_requests_running", "Requests in the steps under way.",
             ToDouble(counters.requests_running()), model);
  out->Gauge("num_requests_waiting", "Requests that wait to be started.",
             ToDouble(counters.requests_waiting()), model);
  const double blocks = ToDouble(counters.kv_blocks_total());
  out->Gauge("kv_cache_usage_perc", "Share of the blocks of keys and values in use, 0 to 1.",
             blocks > 0 ? ToDouble(counters.kv_blocks_used()) / blocks : 0, model);
  out->Counter("prompt_tokens_total", "Tokens of prompts that were started.",
               ToDouble(counters.prompt_tokens()), model);
  out->Counter("prefix_cache_queries_total",
               "Tokens of prompts that were looked up among the blocks of earlier prompts.",
               ToDouble(counters.prefix_cache_queries()), model);
  out->Counter("prefix_cache_hits_total", "Of these, the tokens that were found.",
               ToDouble(counters.prompt_tokens_shared()), model);
  out->Counter("generation_tokens_total", "Tokens that were generated.",
               ToDouble(counters.generated_tokens()), model);
  out->Counter("requests_rejected_total",
               "Requests refused because the queue was full or no placement was in force.",
               ToDouble(counters.requests_rejected()), model);
  out->Counter("num_preemptions_total",
               "Times that an answer gave its blocks to others and was computed again.",
               ToDouble(counters.preemptions()), model);
  out->Counter("recoveries_total", "Requests that went on after a worker was lost.",
               ToDouble(counters.requests_recovered()), model);
  out->Counter("replayed_tokens_total",
               "Tokens computed again, as after a preemption or the loss of a worker.",
               ToDouble(counters.replayed_tokens()), model);
  out->Counter("steps_total", "Steps sent to the stages.", ToDouble(counters.steps()));
  out->Gauge("steps_in_flight", "Steps under way in the stages.",
             ToDouble(counters.steps_in_flight()));
  out->Counter("stale_replies_total", "Results dropped as those of an earlier placement.",
               ToDouble(counters.stale_results()));
}

void AddPlacement(const v1::GetStatusResponse& status, Families* out) {
  out->Gauge("build_info", "1, with the version as a label.", 1,
             {{"version", status.version()}, {"protocol", absl::StrCat(kProtocolVersion)}});
  out->Gauge("ready", "Whether requests are served.", status.ready());
  out->Gauge("plan_epoch", "Number of the placement; each is another one.",
             ToDouble(status.epoch()));
  if (status.stages_size() == 0) return;
  out->Begin("predicted_tokens_per_second", MetricType::Gauge,
             "What the placement is predicted to reach with one request.");
  out->Add(status.predicted_decode_tokens_per_s(), {{"phase", "decode"}});
  out->Add(status.predicted_prefill_tokens_per_s(), {{"phase", "prefill"}});
  out->Gauge("decode_tokens_per_second", "Of a request, smoothed over those that ended; 0 before.",
             status.counters().decode_tokens_per_s());
}

void AddWorkers(const v1::GetStatusResponse& status, Families* out) {
  if (status.workers_size() == 0) return;
  out->Begin("worker_up", MetricType::Gauge, "1 for every worker that holds its lease.");
  for (const v1::WorkerStatus& worker : status.workers()) {
    out->Add(1, {{"worker", worker.name()},
                 {"device", worker.device()},
                 {"role", worker.modules().empty() ? "spare" : "serving"}});
  }
  out->Begin("worker_memory_bytes", MetricType::Gauge,
             "Of a worker: offered, of its process resident, and for its modules, keys and values "
             "and workspace predicted and measured.");
  for (const v1::WorkerStatus& worker : status.workers()) {
    const auto add = [&](const char* kind, uint64_t bytes) {
      out->Add(ToDouble(bytes),
               {{"worker", worker.name()}, {"device", worker.device()}, {"kind", kind}});
    };
    add("offered", worker.memory_bytes());
    add("resident", worker.resident_bytes());
    if (worker.modules().empty()) continue;
    add("predicted", worker.predicted_bytes());
    add("measured", worker.measured_bytes());
  }
  out->Begin("worker_loaded_ratio", MetricType::Gauge, "Share of its weights that a worker has.");
  for (const v1::WorkerStatus& worker : status.workers()) {
    if (worker.modules().empty()) continue;
    out->Add(worker.loaded(), {{"worker", worker.name()}, {"device", worker.device()}});
  }
}

void AddStages(const v1::GetStatusResponse& status, Families* out) {
  if (status.stages_size() == 0) return;
  const auto add_all = [&](const auto& value_of) {
    for (const v1::StageStatus& stage : status.stages()) {
      out->Add(value_of(stage), {{"stage", absl::StrCat(stage.index())},
                                 {"worker", stage.worker()},
                                 {"device", stage.device()}});
    }
  };
  out->Begin("stage_step_seconds", MetricType::Gauge, "A stage computes a step, smoothed.");
  add_all([](const v1::StageStatus& stage) { return stage.step_ms() / 1e3; });
  out->Begin("stage_predicted_step_seconds", MetricType::Gauge,
             "The same of a step that decodes one request, as predicted.");
  add_all([](const v1::StageStatus& stage) { return stage.predicted_ms() / 1e3; });
  out->Begin("stage_steps_total", MetricType::Counter, "Steps of a stage since its placement.");
  add_all([](const v1::StageStatus& stage) { return ToDouble(stage.steps()); });
  out->Begin("stage_sent_bytes_total", MetricType::Counter,
             "Activations that a stage has sent to the next since its placement.");
  add_all([](const v1::StageStatus& stage) { return ToDouble(stage.sent_bytes()); });
}

}  // namespace

std::vector<MetricFamily> StatusMetrics(const v1::GetStatusResponse& status) {
  Families families;
  AddPlacement(status, &families);
  AddRequests(status, &families);
  AddWorkers(status, &families);
  AddStages(status, &families);
  return families.Take();
}

}  // namespace gantry
