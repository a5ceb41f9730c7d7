#include "coordinator/http/metrics_text.h"

#include "gmock/gmock.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

TEST(MetricsTextTest, IsPrometheusTextWithTheModelsName) {
  v1::GetStatusResponse status;
  status.set_ready(true);
  status.set_model("a \"b\"\\c");
  status.mutable_counters()->set_generated_tokens(1'234'567'890'123);
  status.mutable_counters()->set_kv_blocks_total(8);
  status.mutable_counters()->set_kv_blocks_used(2);
  const std::string text = MetricsText(status);
  EXPECT_THAT(text, HasSubstr("# TYPE gantry_generation_tokens_total counter\n"
                              "gantry_generation_tokens_total{model_name=\"a \\\"b\\\"\\\\c\"} "
                              "1234567890123\n"));
  EXPECT_THAT(text, HasSubstr("} 0.25\n"));
  EXPECT_EQ(text.back(), '\n');
}

}  // namespace
}  // namespace gantry
