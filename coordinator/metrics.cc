#include "coordinator/metrics.h"

#include <utility>
#include <vector>

#include "coordinator/status_metrics.h"
#include "prometheus/text_serializer.h"

namespace gantry {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

// As in vLLM's vllm/v1/metrics/buckets.py.
const Buckets& FirstTokenBuckets() {
  static const auto* const buckets =
      new Buckets{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                  1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
  return *buckets;
}
// vLLM's begin at 10 ms; a GPU gives small models a token in less than one.
const Buckets& InterTokenBuckets() {
  static const auto* const buckets =
      new Buckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3,
                  0.4,    0.5,   0.75,   1,     2.5,  5,     7.5,  10,    20,  40,   80};
  return *buckets;
}
const Buckets& RequestBuckets() {
  static const auto* const buckets = new Buckets{
      0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
  return *buckets;
}
const Buckets& StepTokenBuckets() {
  static const auto* const buckets =
      new Buckets{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
  return *buckets;
}
// Our own.
const Buckets& StepTimeBuckets() {
  static const auto* const buckets = new Buckets{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                                 0.2,    0.5,   1,     2,     5,    10,   30,   60};
  return *buckets;
}
// 1, 2, 5, 10, 20, 50, ... up to `most`.
Buckets TokenBuckets(int64_t most) {
  Buckets buckets = {1};
  for (int64_t power = 1;; power *= 10) {
    for (int64_t digit : {2, 5, 10}) {
      if (power * digit > most) return buckets;
      buckets.push_back(static_cast<double>(power * digit));
    }
  }
}

}  // namespace

Metrics::Metrics(absl::string_view model, int64_t context)
    : labels_({{"model_name", std::string(model)}}),
      time_to_first_token_(AddHistogram("gantry_time_to_first_token_seconds",
                                        "From the arrival of a request to its first token.",
                                        FirstTokenBuckets())),
      inter_token_latency_(AddHistogram("gantry_inter_token_latency_seconds",
                                        "Between two tokens of a request.", InterTokenBuckets())),
      e2e_latency_(AddHistogram("gantry_e2e_request_latency_seconds",
                                "From the arrival of a request to its last token.",
                                RequestBuckets())),
      queue_time_(AddHistogram("gantry_request_queue_time_seconds",
                               "From the arrival of a request to its first step.",
                               RequestBuckets())),
      inference_time_(AddHistogram("gantry_request_inference_time_seconds",
                                   "From the first step of a request to its last token.",
                                   RequestBuckets())),
      prefill_time_(AddHistogram("gantry_request_prefill_time_seconds",
                                 "From the first step of a request to its first token.",
                                 RequestBuckets())),
      decode_time_(AddHistogram("gantry_request_decode_time_seconds",
                                "From the first token of a request to its last.",
                                RequestBuckets())),
      prompt_tokens_(AddHistogram("gantry_request_prompt_tokens", "Tokens of a request's prompt.",
                                  TokenBuckets(context))),
      generation_tokens_(AddHistogram("gantry_request_generation_tokens",
                                      "Tokens that a request was given.", TokenBuckets(context))),
      iteration_tokens_(AddHistogram("gantry_iteration_tokens_total",
                                     "Tokens computed in a step, of prompts and answers.",
                                     StepTokenBuckets())),
      step_time_(AddHistogram("gantry_step_seconds",
                              "From sending a step to the first stage, or, of one stage, from the "
                              "result before it, to the last one's result.",
                              StepTimeBuckets())),
      transfer_time_(AddHistogram("gantry_step_transfer_seconds",
                                  "Of a step's way through all stages, what none of them waited "
                                  "or computed: sockets and threads, of all hops together.",
                                  StepTimeBuckets())) {
  auto& ended = prometheus::BuildCounter()
                    .Name("gantry_request_success_total")
                    .Help("Requests that ended, by how: stop, length, score, abort, error.")
                    .Labels(labels_)
                    .Register(registry_);
  for (const char* reason : {"stop", "length", "score", "abort", "error"}) {
    ended_[reason] = &ended.Add({{"finished_reason", reason}});
  }
}

prometheus::Histogram& Metrics::AddHistogram(const std::string& name, const std::string& help,
                                             const Buckets& buckets,
                                             const prometheus::Labels& labels) {
  // The family is made once.
  return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels_).Register(registry_).Add(
      labels, buckets);
}

Metrics::Stage Metrics::AddStage() {
  const prometheus::Labels stage = {{"stage", std::to_string(stages_.size())}};
  return {
      &AddHistogram("gantry_stage_queue_seconds",
                    "A step waits in the queue of the stage's worker.", StepTimeBuckets(), stage),
      &AddHistogram("gantry_stage_compute_seconds", "A stage computes a step.", StepTimeBuckets(),
                    stage)};
}

void Metrics::OnToken(const RequestRecord& record, std::optional<absl::Duration> since_last) {
  if (since_last.has_value()) {
    inter_token_latency_.Observe(absl::ToDoubleSeconds(*since_last));
  } else if (record.completion_tokens == 1) {
    time_to_first_token_.Observe(absl::ToDoubleSeconds(record.first_token - record.arrived));
  }
}

void Metrics::OnEnd(const RequestRecord& record, const absl::Status& status) {
  const auto ended = ended_.find(FinishedReason(record, status));
  if (ended != ended_.end()) ended->second->Increment();
  if (!status.ok()) return;
  const RequestTimes times = TimesOf(record, record.ended, /*finished=*/true);
  const auto observe = [](absl::Duration time, prometheus::Histogram* histogram) {
    histogram->Observe(absl::ToDoubleSeconds(time));
  };
  observe(times.queue + times.prefill + times.decode, &e2e_latency_);
  observe(times.queue, &queue_time_);
  observe(times.prefill + times.decode, &inference_time_);
  observe(times.prefill, &prefill_time_);
  observe(times.decode, &decode_time_);
  prompt_tokens_.Observe(static_cast<double>(record.prompt_tokens));
  generation_tokens_.Observe(static_cast<double>(record.completion_tokens));
}

void Metrics::OnStepSent(int64_t tokens) {
  if (tokens > 0) iteration_tokens_.Observe(static_cast<double>(tokens));
}

void Metrics::OnStepDone(const DoneStep& step) {
  step_time_.Observe(absl::ToDoubleSeconds(step.busy));
  if (step.stages.empty()) return;
  while (stages_.size() < step.stages.size()) stages_.push_back(AddStage());
  for (size_t i = 0; i < step.stages.size(); ++i) {
    stages_[i].queued->Observe(step.stages[i].queued_s);
    stages_[i].computed->Observe(step.stages[i].computed_s);
  }
  transfer_time_.Observe(absl::ToDoubleSeconds(TransferOf(step)));
}

std::string Metrics::Text(const v1::GetStatusResponse& status) const {
  std::vector<prometheus::MetricFamily> families = StatusMetrics(status);
  for (prometheus::MetricFamily& family : registry_.Collect()) {
    families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace gantry
