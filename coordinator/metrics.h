#ifndef GANTRY_COORDINATOR_METRICS_H_
#define GANTRY_COORDINATOR_METRICS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "coordinator/engine_observer.h"
#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "proto/inference.pb.h"

namespace gantry {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

// The coordinator's metrics in Prometheus' text format. What vLLM has too has its name after
// "gantry_", its label model_name and its buckets (vllm/v1/metrics), so that a dashboard moves by
// one substitution. What can be read off a status is made from one (status_metrics.h); this
// gathers what cannot. A request counts once, however many answers it has, so that the sum of
// request_success_total is that of the status's counters; times between tokens are of each answer.
// Thread-safe.
class Metrics : public EngineObserver {
 public:
  // `context`: tokens a sequence may have.
  Metrics(absl::string_view model, int64_t context);

  void OnToken(const RequestRecord& record, std::optional<absl::Duration> since_last) override;
  void OnEnd(const RequestRecord& record, const absl::Status& status) override;
  void OnStepSent(int64_t tokens) override;
  void OnStepDone(const DoneStep& step) override;

  std::string Text(const v1::GetStatusResponse& status) const;

 private:
  struct Stage {
    prometheus::Histogram* queued;
    prometheus::Histogram* computed;
  };

  prometheus::Histogram& AddHistogram(const std::string& name, const std::string& help,
                                      const prometheus::Histogram::BucketBoundaries& buckets,
                                      const prometheus::Labels& labels = {});
  Stage AddStage();

  const prometheus::Labels labels_;
  prometheus::Registry registry_;                                   // owns what follows
  std::map<std::string, prometheus::Counter*, std::less<>> ended_;  // by finished_reason
  prometheus::Histogram& time_to_first_token_;
  prometheus::Histogram& inter_token_latency_;
  prometheus::Histogram& e2e_latency_;
  prometheus::Histogram& queue_time_;
  prometheus::Histogram& inference_time_;
  prometheus::Histogram& prefill_time_;
  prometheus::Histogram& decode_time_;
  prometheus::Histogram& prompt_tokens_;
  prometheus::Histogram& generation_tokens_;
  prometheus::Histogram& iteration_tokens_;
  prometheus::Histogram& step_time_;
  prometheus::Histogram& transfer_time_;
  std::vector<Stage> stages_;  // that have told of a step; of the engine's thread
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_METRICS_H_
