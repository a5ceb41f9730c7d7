#ifndef GANTRY_COORDINATOR_METRICS_H_
#define GANTRY_COORDINATOR_METRICS_H_

#include <cstdint>
#include <string>

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
// gathers what cannot. Thread-safe.
class Metrics : public EngineObserver {
 public:
  // `context`: tokens a sequence may have.
  Metrics(absl::string_view model, int64_t context);

  void OnFirstToken(absl::Duration since_arrival) override;
  void OnNextToken(absl::Duration since_last) override;
  void OnFinish(const v1::Finish& finish) override;
  void OnFail(const absl::Status& why) override;
  void OnStepSent(int64_t tokens) override;
  void OnStepDone(absl::Duration took) override;

  std::string Text(const v1::GetStatusResponse& status) const;

 private:
  prometheus::Counter& AddEnded(const std::string& reason);
  prometheus::Histogram& AddHistogram(const std::string& name, const std::string& help,
                                      const prometheus::Histogram::BucketBoundaries& buckets);

  const prometheus::Labels labels_;
  prometheus::Registry registry_;  // owns what follows
  prometheus::Counter& stopped_;
  prometheus::Counter& full_length_;
  prometheus::Counter& scored_;
  prometheus::Counter& aborted_;
  prometheus::Counter& failed_;
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
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_METRICS_H_
