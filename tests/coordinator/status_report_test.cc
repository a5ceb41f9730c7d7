#include "coordinator/status_report.h"

#include "base/json.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::SizeIs;

constexpr uint64_t kPlenty = uint64_t{1} << 30;

class StatusReportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    GANTRY_ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(R"({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128,
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "dtype": "float16",
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5, "hidden_act": "silu"})",
                                                           "config.json"));
    GANTRY_ASSERT_OK_AND_ASSIGN(model_.config, ParseModelConfig(json, "config.json"));
    model_.modules = ListModules(model_.config);
    GANTRY_ASSERT_OK_AND_ASSIGN(model_.tree, BuildModelTree(json, "config.json"));
    model_.context = 256;
    options_.serving.given = {"load_in_8bit"};
    options_.serving.quantization.load_in_8bit = true;
    options_.serving.offload_dtype = OffloadDType::kFloat32;
    GANTRY_ASSERT_OK(model_.UseServingRequest(options_.serving));
  }

  static Member Worker(uint64_t session, const std::string& name, const std::string& device) {
    Member member;
    member.session = session;
    member.hello.set_name(name);
    member.hello.mutable_device()->set_device(device);
    member.hello.mutable_device()->set_description(device + " of a test");
    member.hello.mutable_device()->set_memory_bytes(kPlenty);
    member.hello.mutable_device()->set_read_bytes_per_s(1e10);
    return member;
  }

  v1::GetStatusResponse Status(const DeviceMap& map) {
    const std::vector<Member> members = {Worker(1, "c", "cpu"), Worker(2, "g", "cuda:0")};
    absl::StatusOr<EpochPlan> plan = MakeEpochPlan(1, model_, options_, map, members);
    EXPECT_THAT(plan, IsOk());
    Cluster::Report report;
    report.plan = std::make_shared<const EpochPlan>(*std::move(plan));
    plan_ = report.plan;
    report.loads[1].set_measured_bytes(1000);
    report.loads[2].set_measured_bytes(2000);
    std::vector<Member> later = members;
    v1::StageTiming* const timing = later[1].progress.add_stages();
    timing->set_index(0);
    timing->set_steps(7);
    timing->set_step_ms(0.5);
    timing->set_sent_bytes(4096);
    return MakeStatus(model_, later, report, EngineLoop::Report());
  }

  ServedModel model_;
  CoordinatorOptions options_;
  std::shared_ptr<const EpochPlan> plan_;
};

TEST_F(StatusReportTest, PredictedAndMeasuredOfEveryStage) {
  const v1::GetStatusResponse status = Status({{"", "g"}, {"lm_head", "c"}});
  ASSERT_THAT(status.stages(), SizeIs(2));
  const v1::StageStatus& gpu = status.stages(0);
  EXPECT_EQ(gpu.device(), "cuda:0");
  EXPECT_EQ(gpu.scheme(), "int8");
  EXPECT_EQ(gpu.predicted_bytes(), plan_->placement.ledgers[1].total_bytes());
  EXPECT_EQ(gpu.measured_bytes(), 2000);
  EXPECT_GT(gpu.predicted_ms(), 0);
  EXPECT_DOUBLE_EQ(gpu.predicted_tokens_per_s(), 1e3 / gpu.predicted_ms());
  EXPECT_EQ(gpu.step_ms(), 0.5);
  EXPECT_EQ(gpu.sent_bytes(), 4096);
  EXPECT_EQ(gpu.tokens_per_s(), 2000);
  const v1::StageStatus& cpu = status.stages(1);
  EXPECT_EQ(cpu.device(), "cpu");
  EXPECT_EQ(cpu.scheme(), "fp32");
  EXPECT_EQ(cpu.measured_bytes(), 1000);
  EXPECT_EQ(cpu.tokens_per_s(), 0) << "no step has run there";
  EXPECT_EQ(status.workers(1).description(), "cuda:0 of a test");
  EXPECT_EQ(status.workers(1).measured_bytes(), 2000);
}

TEST_F(StatusReportTest, AWorkersFirstStageCountsItsWorkspace) {
  const v1::GetStatusResponse status = Status({{"", "g"}, {"model.layers.1", "c"}});
  ASSERT_THAT(status.stages(), SizeIs(3));
  EXPECT_EQ(status.stages(0).predicted_bytes() + status.stages(2).predicted_bytes(),
            plan_->placement.ledgers[1].total_bytes());
  EXPECT_EQ(status.stages(0).measured_bytes(), 0) << "only the worker's sum is known";
  EXPECT_EQ(status.stages(1).measured_bytes(), 1000);
}

}  // namespace
}  // namespace gantry
