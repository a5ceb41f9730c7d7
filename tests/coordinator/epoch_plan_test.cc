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

// A model whose GPU workers hold nf4 and whose CPU workers what is asked.
class MixedEpochPlanTest : public EpochPlanTest {
 protected:
  void SetUp() override {
    EpochPlanTest::SetUp();
    model_.tree.dtype = DType::kBF16;
    options_.serving.given = {"load_in_4bit"};
    options_.serving.quantization.load_in_4bit = true;
    options_.serving.quantization.bnb_4bit_quant_type = Scheme::kNf4;
    options_.serving.quantization.bnb_4bit_compute_dtype = DType::kBF16;
    options_.serving.quantization.bnb_4bit_use_double_quant = true;
    options_.serving.quantization.llm_int8_enable_fp32_cpu_offload = true;
  }

  Member Gpu(const std::string& name, uint64_t memory) {
    Member member = Worker(name, memory);
    member.hello.mutable_device()->set_device("cuda:0");
    member.hello.mutable_device()->set_description("NVIDIA H200, compute capability 9.0, 151 GB");
    member.hello.mutable_device()->set_read_bytes_per_s(4.4e12);
    return member;
  }

  // The requests for a GPU with all but the last two layers, the norm and the head.
  std::vector<v1::LoadRequest> Requests() {
    EXPECT_THAT(model_.UseServingRequest(options_.serving), IsOk());
    const DeviceMap map = {{"", "g"},
                           {"model.layers.2", "c"},
                           {"model.layers.3", "c"},
                           {"model.norm", "c"},
                           {"lm_head", "c"}};
    const absl::StatusOr<EpochPlan> plan = Plan({Worker("c", kPlenty), Gpu("g", kPlenty)}, map);
    EXPECT_THAT(plan, IsOk());
    if (!plan.ok()) return std::vector<v1::LoadRequest>(2);
    plan_ = *plan;
    return MakeLoadRequests(plan_, model_, options_, results_);
  }

  // How a request's module 2 (a layer) holds its down_proj.
  static std::string Held(const v1::LoadRequest& request, int module) {
    const v1::ModuleAssignment& assigned = request.stages(0).modules(module);
    for (const v1::WeightAssignment& weight : assigned.weights()) {
      if (weight.name() == assigned.name() + ".mlp.down_proj.weight") return weight.scheme();
    }
    return assigned.scheme();
  }

  EpochPlan plan_;
};

TEST_F(MixedEpochPlanTest, EachWorkerIsToldItsSchemes) {
  const std::vector<v1::LoadRequest> requests = Requests();
  ASSERT_THAT(requests[1].stages(), SizeIs(1));
  const v1::StageAssignment& gpu = requests[1].stages(0);
  ASSERT_THAT(gpu.modules(), SizeIs(3));
  EXPECT_EQ(gpu.modules(0).scheme(), "bf16");
  EXPECT_THAT(gpu.modules(0).weights(), SizeIs(0));
  ASSERT_THAT(gpu.modules(1).weights(), SizeIs(7));
  const v1::WeightAssignment& weight = gpu.modules(1).weights(6);
  EXPECT_EQ(weight.name(), "model.layers.0.mlp.down_proj.weight");
  EXPECT_EQ(weight.scheme(), "nf4");
  EXPECT_TRUE(weight.double_quant());
  EXPECT_EQ(weight.block_size(), 64);
  const v1::StageAssignment& cpu = requests[0].stages(0);
  ASSERT_THAT(cpu.modules(), SizeIs(4));
  for (const v1::ModuleAssignment& module : cpu.modules()) {
    EXPECT_EQ(module.scheme(), "fp32");
    EXPECT_THAT(module.weights(), SizeIs(0));
  }
  for (const v1::LoadRequest& request : requests) {
    EXPECT_EQ(request.numerics().activation_dtype(), "BF16");
    EXPECT_EQ(request.numerics().bnb_4bit_compute_dtype(), "BF16");
    EXPECT_EQ(request.kv().dtype(), "BF16");
  }
  EXPECT_EQ(plan_.placement.stages[0].scheme, Scheme::kNf4);
  EXPECT_EQ(plan_.placement.stages[1].scheme, Scheme::kFp32);
  EXPECT_EQ(requests[1].stages(0).next().address(), "c:1");
}

TEST_F(MixedEpochPlanTest, EveryOptionReachesTheWorkers) {
  ServingRequest& serving = options_.serving;
  serving.offload_dtype = OffloadDType::kAuto;
  EXPECT_EQ(Held(Requests()[0], 1), "nf4");
  EXPECT_EQ(Held(Requests()[0], 3), "fp32") << "the head on a CPU";
  serving.offload_dtype = OffloadDType::kInt8;
  EXPECT_EQ(Held(Requests()[0], 1), "int8");
  EXPECT_EQ(Held(Requests()[1], 1), "nf4");
  serving.offload_dtype = OffloadDType::kBFloat16;
  EXPECT_EQ(Held(Requests()[0], 1), "bf16");

  serving.offload_dtype.reset();
  serving.quantization.load_in_4bit = false;
  serving.quantization.load_in_8bit = true;
  serving.quantization.llm_int8_threshold = 4.5;
  serving.outliers_per_batch = true;
  serving.deterministic = true;
  serving.dtype = DType::kF16;
  serving.kv_cache_dtype = DType::kF32;
  const std::vector<v1::LoadRequest> requests = Requests();
  EXPECT_EQ(Held(requests[1], 1), "int8");
  EXPECT_EQ(Held(requests[1], 0), "fp16");
  EXPECT_EQ(requests[1].stages(0).modules(1).weights(0).block_size(), 0);
  EXPECT_FALSE(requests[1].stages(0).modules(1).weights(0).double_quant());
  EXPECT_EQ(requests[0].numerics().activation_dtype(), "F16");
  EXPECT_EQ(requests[0].numerics().llm_int8_threshold(), 4.5f);
  EXPECT_TRUE(requests[0].numerics().outliers_per_batch());
  EXPECT_TRUE(requests[0].numerics().deterministic());
  EXPECT_EQ(requests[0].kv().dtype(), "") << "float32";

  serving.quantization.has_skip_modules = true;
  serving.quantization.llm_int8_skip_modules = {"down_proj"};
  EXPECT_EQ(Held(Requests()[1], 1), "fp16");
  serving.quantization.load_in_8bit = false;
  serving.given = {};
  serving.quantization = QuantizationOptions();
  serving.dtype = DType::kF32;
  EXPECT_EQ(Held(Requests()[1], 1), "fp32");
  EXPECT_EQ(Requests()[1].numerics().activation_dtype(), "");
}

TEST_F(MixedEpochPlanTest, OptimalPrefersTheGpuAndUsesCpusIfItMay) {
  options_.balanced = false;
  GANTRY_ASSERT_OK(model_.UseServingRequest(options_.serving));
  std::vector<Member> workers = {Worker("c", kPlenty), Gpu("g", kPlenty)};
  workers[0].hello.mutable_device()->set_read_bytes_per_s(1e7);
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan alone, Plan(workers));
  EXPECT_EQ(alone.Modules(model_, 0), "");
  // Of this tiny model nearly all is launches of kernels: 1.3 us each, eight a layer.
  EXPECT_NEAR(alone.predicted.stage_ms[0], 0.045, 0.02);

  options_.batch = 1;
  const uint64_t full = alone.placement.ledgers[1].total_bytes();
  const uint64_t one_layer = alone.placement.ledgers[1].weights_bytes / 4;
  options_.max_memory = {{"g", full - alone.placement.ledgers[1].kv_cache_bytes - one_layer}};
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan split, Plan(workers));
  EXPECT_NE(split.Modules(model_, 0), "");
  EXPECT_NE(split.Modules(model_, 1), "");
  ASSERT_THAT(split.predicted.stage_ms, SizeIs(split.placement.stages.size()));

  options_.serving.quantization.llm_int8_enable_fp32_cpu_offload = false;
  GANTRY_ASSERT_OK(model_.UseServingRequest(options_.serving));
  EXPECT_THAT(Plan(workers), StatusIs(absl::StatusCode::kResourceExhausted,
                                      HasSubstr("--llm_int8_enable_fp32_cpu_offload")));
}

TEST_F(MixedEpochPlanTest, AnUnknownGpuIsGuessedFromItsBandwidth) {
  options_.balanced = false;
  GANTRY_ASSERT_OK(model_.UseServingRequest(options_.serving));
  std::vector<Member> known = {Gpu("g", kPlenty)};
  std::vector<Member> unknown = known;
  unknown[0].hello.mutable_device()->set_description("Some GPU 1, compute capability 8.0");
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan a, Plan(known));
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan b, Plan(unknown));
  EXPECT_EQ(a.predicted.decode_tokens_per_s, b.predicted.decode_tokens_per_s);
  EXPECT_GT(b.predicted.prefill_tokens_per_s, 0.5 * a.predicted.prefill_tokens_per_s);
}

TEST_F(MixedEpochPlanTest, WithoutAGpuTheLogSaysWhatIsNotQuantised) {
  GANTRY_ASSERT_OK(model_.UseServingRequest(options_.serving));
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan plan, Plan({Worker("c", kPlenty)}));
  EXPECT_THAT(DescribePlan(plan, model_), HasSubstr("--offload_dtype=auto"));
  options_.serving.offload_dtype = OffloadDType::kAuto;
  GANTRY_ASSERT_OK(model_.UseServingRequest(options_.serving));
  GANTRY_ASSERT_OK_AND_ASSIGN(const EpochPlan quantised, Plan({Worker("c", kPlenty)}));
  EXPECT_THAT(DescribePlan(quantised, model_), testing::Not(HasSubstr("--offload_dtype")));
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
