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
      stopped_(AddEnded("stop")),
      full_length_(AddEnded("length")),
      scored_(AddEnded("score")),
      aborted_(AddEnded("abort")),
      failed_(AddEnded("error")),
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
                              StepTimeBuckets())) {}

prometheus::Counter& Metrics::AddEnded(const std::string& reason) {
  // The family is made once.
  return prometheus::BuildCounter()
      .Name("gantry_request_success_total")
      .Help("Requests that ended, by how: stop, length, score, abort, error.")
      .Labels(labels_)
      .Register(registry_)
      .Add({{"finished_reason", reason}});
}

prometheus::Histogram& Metrics::AddHistogram(const std::string& name, const std::string& help,
                                             const Buckets& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels_).Register(registry_).Add(
      {}, buckets);
}

void Metrics::OnFirstToken(absl::Duration since_arrival) {
  time_to_first_token_.Observe(absl::ToDoubleSeconds(since_arrival));
}

void Metrics::OnNextToken(absl::Duration since_last) {
  inter_token_latency_.Observe(absl::ToDoubleSeconds(since_last));
}

void Metrics::OnFinish(const v1::Finish& finish) {
  switch (finish.reason()) {
    case v1::FINISH_REASON_STOP:
      stopped_.Increment();
      break;
    case v1::FINISH_REASON_LENGTH:
      full_length_.Increment();
      break;
    default:
      scored_.Increment();
  }
  const double inference = finish.prefill_s() + finish.decode_s();
  e2e_latency_.Observe(finish.queue_s() + inference);
  queue_time_.Observe(finish.queue_s());
  inference_time_.Observe(inference);
  prefill_time_.Observe(finish.prefill_s());
  decode_time_.Observe(finish.decode_s());
  prompt_tokens_.Observe(finish.prompt_tokens());
  generation_tokens_.Observe(finish.completion_tokens());
}

void Metrics::OnFail(const absl::Status& why) {
  const bool aborted = absl::IsCancelled(why) || absl::IsDeadlineExceeded(why);
  (aborted ? aborted_ : failed_).Increment();
}

void Metrics::OnStepSent(int64_t tokens) {
  if (tokens > 0) iteration_tokens_.Observe(static_cast<double>(tokens));
}

void Metrics::OnStepDone(absl::Duration took) { step_time_.Observe(absl::ToDoubleSeconds(took)); }

std::string Metrics::Text(const v1::GetStatusResponse& status) const {
  std::vector<prometheus::MetricFamily> families = StatusMetrics(status);
  for (prometheus::MetricFamily& family : registry_.Collect()) {
    families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace gantry
