#include "coordinator/status_metrics.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Text(const v1::GetStatusResponse& status) {
  return prometheus::TextSerializer().Serialize(StatusMetrics(status));
}

v1::GetStatusResponse Serving() {
  v1::GetStatusResponse status;
  status.set_ready(true);
  status.set_epoch(3);
  status.set_model("m");
  status.set_version("1.2.3");
  status.set_predicted_decode_tokens_per_s(40);
  v1::Counters& counters = *status.mutable_counters();
  counters.set_requests_running(2);
  counters.set_generated_tokens(1 << 20);
  counters.set_kv_blocks_total(8);
  counters.set_kv_blocks_used(2);
  counters.set_stale_results(4);
  v1::WorkerStatus* worker = status.add_workers();
  worker->set_name("gpu");
  worker->set_device("cuda:0");
  worker->add_modules("model.norm");
  worker->set_predicted_bytes(2000);
  worker->set_measured_bytes(1000);
  worker->set_loaded(1);
  worker = status.add_workers();
  worker->set_name("idle");
  worker->set_memory_bytes(500);
  v1::StageStatus* const stage = status.add_stages();
  stage->set_worker("gpu");
  stage->set_device("cuda:0");
  stage->set_step_ms(4);
  stage->set_predicted_ms(2);
  stage->set_steps(9);
  stage->set_sent_bytes(4096);
  return status;
}

TEST(StatusMetricsTest, WithoutAPlacementThereAreNoWorkersAndStages) {
  const std::string text = Text({});
  EXPECT_THAT(text, HasSubstr("gantry_ready 0\n"));
  EXPECT_THAT(text, HasSubstr("gantry_kv_cache_usage_perc{model_name=\"\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("gantry_worker")));
  EXPECT_THAT(text, Not(HasSubstr("gantry_stage")));
  EXPECT_THAT(text, Not(HasSubstr("predicted")));
}

TEST(StatusMetricsTest, HasWhatTheStatusHas) {
  const std::string text = Text(Serving());
  for (const char* line : {
           "# TYPE gantry_generation_tokens_total counter\n",
           "gantry_generation_tokens_total{model_name=\"m\"} 1048576\n",
           "# TYPE gantry_num_requests_running gauge\n",
           "gantry_num_requests_running{model_name=\"m\"} 2\n",
           "gantry_kv_cache_usage_perc{model_name=\"m\"} 0.25\n",
           "gantry_stale_replies_total 4\n",
           "gantry_ready 1\n",
           "gantry_plan_epoch 3\n",
           "gantry_build_info{version=\"1.2.3\",protocol=\"",
           "gantry_predicted_tokens_per_second{phase=\"decode\"} 40\n",
           "gantry_worker_up{worker=\"gpu\",device=\"cuda:0\",role=\"serving\"} 1\n",
           "gantry_worker_up{worker=\"idle\",device=\"\",role=\"spare\"} 1\n",
           "gantry_worker_memory_bytes{worker=\"gpu\",device=\"cuda:0\",kind=\"predicted\"} 2000\n",
           "gantry_worker_memory_bytes{worker=\"gpu\",device=\"cuda:0\",kind=\"measured\"} 1000\n",
           "gantry_worker_memory_bytes{worker=\"idle\",device=\"\",kind=\"offered\"} 500\n",
           "gantry_stage_step_seconds{stage=\"0\",worker=\"gpu\",device=\"cuda:0\"} 0.004\n",
           "gantry_stage_predicted_step_seconds{stage=\"0\",worker=\"gpu\",device=\"cuda:0\"} "
           "0.002\n",
           "gantry_stage_steps_total{stage=\"0\",worker=\"gpu\",device=\"cuda:0\"} 9\n",
           "gantry_stage_sent_bytes_total{stage=\"0\",worker=\"gpu\",device=\"cuda:0\"} 4096\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("worker=\"idle\",device=\"\",kind=\"measured\"")));
}

}  // namespace
}  // namespace gantry
