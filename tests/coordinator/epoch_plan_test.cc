#include "coordinator/epoch_plan.h"

#include "base/json.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class EpochPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    GANTRY_ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(R"({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128,
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 10000.0})",
                                                           "config.json"));
    GANTRY_ASSERT_OK_AND_ASSIGN(model_.config, ParseModelConfig(json, "config.json"));
    model_.modules = ListModules(model_.config);
    GANTRY_ASSERT_OK_AND_ASSIGN(model_.tree, BuildModelTree(json, "config.json"));
    GANTRY_ASSERT_OK(model_.UseServingRequest(options_.serving));
    options_.balanced = true;
    model_.context = 256;
    results_.set_address("127.0.0.1:7070");
  }

  Member Worker(const std::string& name, uint64_t memory) {
    Member member;
    member.session = ++sessions_;
    member.hello.set_name(name);
    member.hello.mutable_endpoint()->set_address(name + ":1");
    member.hello.mutable_device()->set_device("cpu");
    member.hello.mutable_device()->set_memory_bytes(memory);
    return member;
  }

  absl::StatusOr<EpochPlan> Plan(std::vector<Member> workers,
                                 std::optional<DeviceMap> map = std::nullopt) {
    return MakeEpochPlan(3, model_, options_, map, std::move(workers));
  }

  uint64_t sessions_ = 0;
  ServedModel model_;
  CoordinatorOptions options_;
  v1::Endpoint results_;
};

constexpr uint64_t kPlenty = uint64_t{1} << 30;

TEST_F(EpochPlanTest, StagesLeadToEachOtherAndToTheCoordinator) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan plan,
                              Plan({Worker("a", kPlenty), Worker("b", kPlenty)}));
  const auto requests = MakeLoadRequests(plan, model_, options_, results_);
  ASSERT_THAT(requests, SizeIs(2));
  ASSERT_THAT(requests[0].stages(), SizeIs(1));
  ASSERT_THAT(requests[1].stages(), SizeIs(1));
  EXPECT_EQ(requests[0].epoch(), 3);
  EXPECT_EQ(requests[0].stages(0).next().address(), "b:1");
  EXPECT_EQ(requests[1].stages(0).next().address(), "127.0.0.1:7070");
  EXPECT_EQ(requests[0].stages(0).modules(0).name(), "model.embed_tokens");
  EXPECT_EQ(requests[0].stages(0).modules(0).scheme(), "fp32");
  EXPECT_EQ(requests[0].stages(0).modules_size() + requests[1].stages(0).modules_size(), 7);
  EXPECT_THAT(plan.Modules(model_, 1), HasSubstr(".. lm_head"));
  EXPECT_EQ(plan.FindWorker(plan.workers[1].session), 1);
  EXPECT_EQ(plan.FindWorker(99), std::nullopt);
}

TEST_F(EpochPlanTest, AMapMayComeBackToAWorker) {
  const DeviceMap map = {{"", "a"}, {"model.layers.1", "b"}};
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan plan,
                              Plan({Worker("a", kPlenty), Worker("b", kPlenty)}, map));
  const auto requests = MakeLoadRequests(plan, model_, options_, results_);
  ASSERT_THAT(requests[0].stages(), SizeIs(2));
  EXPECT_EQ(requests[0].stages(0).next().address(), "b:1");
  EXPECT_EQ(requests[0].stages(1).index(), 2);
  EXPECT_EQ(requests[1].stages(0).next().address(), "a:1");
  EXPECT_THAT(plan.Modules(model_, 0), HasSubstr(", "));
}

TEST_F(EpochPlanTest, KeysAndValuesShrinkToWhatFits) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan all, Plan({Worker("a", kPlenty)}));
  EXPECT_EQ(all.shape.num_blocks, 8 * 16);
  const uint64_t needed = all.placement.ledgers[0].total_bytes();
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan exact, Plan({Worker("a", needed)}));
  EXPECT_EQ(exact.shape.num_blocks, 8 * 16);
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan less, Plan({Worker("a", needed - 1)}));
  EXPECT_EQ(less.shape.num_blocks, 8 * 16 - 1);
  EXPECT_LE(less.placement.ledgers[0].total_bytes(), needed - 1);
}

TEST_F(EpochPlanTest, LessThanOneContextDoesNotFit) {
  EXPECT_THAT(Plan({Worker("a", 1000)}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("")));
}

TEST_F(EpochPlanTest, OptimalTakesAsFewWorkersAsAreFastest) {
  options_.balanced = false;
  options_.batch = 1;
  // So slow that a hop counts for nothing.
  std::vector<Member> workers = {Worker("a", kPlenty), Worker("b", kPlenty)};
  workers[0].hello.mutable_device()->set_read_bytes_per_s(1e7);
  workers[1].hello.mutable_device()->set_read_bytes_per_s(3e7);
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan plan, Plan(workers));
  EXPECT_EQ(plan.Modules(model_, 0), "");
  EXPECT_EQ(plan.Modules(model_, 1), "model.embed_tokens .. lm_head");
  EXPECT_GT(plan.predicted.decode_tokens_per_s, 0);
  ASSERT_THAT(plan.predicted.stage_ms, SizeIs(1));
  EXPECT_GT(plan.predicted.stage_ms[0], 0);

  // What does not fit into the fast one goes to the other.
  options_.max_memory = {{"b", plan.placement.ledgers[1].total_bytes() - 50000}};
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan split, Plan(workers));
  EXPECT_NE(split.Modules(model_, 0), "");
  EXPECT_NE(split.Modules(model_, 1), "");

  options_.max_memory = {{"c", 1000}};
  EXPECT_THAT(Plan(workers),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no worker named \"c\"")));
}

TEST_F(EpochPlanTest, ThroughputSpreadsTheLayers) {
  options_.balanced = false;
  options_.objective = PlanObjective::kThroughput;
  std::vector<Member> workers = {Worker("a", kPlenty), Worker("b", kPlenty)};
  for (Member& worker : workers) worker.hello.mutable_device()->set_read_bytes_per_s(1e9);
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan plan, Plan(workers));
  EXPECT_NE(plan.Modules(model_, 0), "");
  EXPECT_NE(plan.Modules(model_, 1), "");
}

}  // namespace
}  // namespace gantry
