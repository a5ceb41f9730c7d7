#include "plan/placement.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

class PlacementTest : public ::testing::Test {
 protected:
  PlacementTest() {
    json_ = Json::parse(R"({
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 1024,
      "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 6,
      "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
      "rms_norm_eps": 1e-5, "hidden_act": "silu"})");
    config_ = ParseModelConfig(json_, "test").value();
    modules_ = ListModules(config_);
    shape_.context = 256;
    shape_.num_blocks = 16;
    shape_.max_step_tokens = 64;
    shape_.max_step_rows = 16;
  }

  static std::vector<DeviceSpec> Cpus(std::vector<uint64_t> megabytes) {
    std::vector<DeviceSpec> devices;
    for (uint64_t size : megabytes) {
      devices.push_back({"w" + std::to_string(devices.size()), "cpu", size * 1000000});
    }
    return devices;
  }

  absl::StatusOr<Placement> ByMap(const char* map, const std::vector<DeviceSpec>& devices) {
    absl::StatusOr<DeviceMap> parsed = ParseDeviceMap(Json::parse(map), "map.json");
    if (!parsed.ok()) return parsed.status();
    return PlaceByMap(modules_, Costs(), devices, *parsed);
  }

  PlacementCosts Costs() {
    const absl::StatusOr<ModelTree> tree = BuildModelTree(json_, "test");
    EXPECT_THAT(tree, IsOk());
    const absl::StatusOr<ModelSchemes> schemes = MakeModelSchemes(*tree, modules_, format_);
    EXPECT_THAT(schemes, IsOk());
    return ComputePlacementCosts(config_, modules_, *schemes, shape_);
  }

  // Every module once, in order, and the ledgers' sums equal to the stages'.
  void ExpectSound(const Placement& placement) {
    int next = 0;
    uint64_t of_stages = 0;
    for (const StagePlan& stage : placement.stages) {
      EXPECT_EQ(stage.begin, next);
      EXPECT_GT(stage.end, stage.begin);
      next = stage.end;
      of_stages += stage.predicted_bytes;
    }
    EXPECT_EQ(next, static_cast<int>(modules_.size()));
    uint64_t of_devices = 0;
    for (const DeviceLedger& ledger : placement.ledgers) {
      EXPECT_LE(ledger.total_bytes(), ledger.capacity_bytes);
      of_devices += ledger.weights_bytes + ledger.kv_cache_bytes;
    }
    EXPECT_EQ(of_stages, of_devices);
  }

  Json json_;
  ServingFormat format_;
  ModelConfig config_;
  std::vector<ModuleSpec> modules_;
  ServingShape shape_;
};

TEST_F(PlacementTest, OneWorkerHoldsAll) {
  GANTRY_ASSERT_OK_AND_ASSIGN(Placement placement, PlaceContiguous(Costs(), Cpus({100})));
  EXPECT_EQ(placement.stages.size(), 1u);
  ExpectSound(placement);
}

TEST_F(PlacementTest, TiedEmbeddingIsCountedOnceOnADevice) {
  GANTRY_ASSERT_OK_AND_ASSIGN(Placement untied, PlaceContiguous(Costs(), Cpus({100})));
  json_["tie_word_embeddings"] = true;
  config_.tie_word_embeddings = true;
  modules_ = ListModules(config_);
  GANTRY_ASSERT_OK_AND_ASSIGN(Placement tied, PlaceContiguous(Costs(), Cpus({100})));
  ExpectSound(tied);
  EXPECT_EQ(untied.ledgers[0].weights_bytes - tied.ledgers[0].weights_bytes, 1024u * 256 * 4);
  GANTRY_ASSERT_OK_AND_ASSIGN(Placement apart,
                              ByMap(R"({"": "w0", "lm_head": "w1"})", Cpus({100, 100})));
  EXPECT_EQ(apart.ledgers[1].weights_bytes, 1024u * 256 * 4);
}

TEST_F(PlacementTest, EqualWorkersShareEqually) {
  GANTRY_ASSERT_OK_AND_ASSIGN(Placement placement, PlaceContiguous(Costs(), Cpus({100, 100, 100})));
  ASSERT_EQ(placement.stages.size(), 3u);
  ExpectSound(placement);
  for (const StagePlan& stage : placement.stages) EXPECT_GE(stage.end - stage.begin, 2);
}

TEST_F(PlacementTest, SoundOnRandomMachines) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  int placed = 0;
  for (int i = 0; i < 300; ++i) {
    std::vector<uint64_t> sizes(1 + random() % 6);
    for (uint64_t& size : sizes) size = 5 + random() % 40;
    absl::StatusOr<Placement> placement = PlaceContiguous(Costs(), Cpus(sizes));
    if (!placement.ok()) {
      EXPECT_EQ(placement.status().code(), absl::StatusCode::kResourceExhausted);
      continue;
    }
    ++placed;
    ExpectSound(*placement);
  }
  EXPECT_GT(placed, 50);
}

TEST_F(PlacementTest, TooSmallNamesWhatIsMissing) {
  EXPECT_THAT(PlaceContiguous(Costs(), Cpus({8, 8})),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("are missing")));
  EXPECT_THAT(PlaceContiguous(Costs(), {}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no worker")));
}

TEST_F(PlacementTest, MapMayReturnToADevice) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      Placement placement,
      ByMap(R"({"": "w0", "model.layers.1": "w1", "model.layers.2": "w1", "lm_head": "w1"})",
            Cpus({100, 100})));
  ExpectSound(placement);
  std::vector<int> order;
  for (const StagePlan& stage : placement.stages) order.push_back(stage.device);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 0, 1}));
}

TEST_F(PlacementTest, PrefixesEndAtDots) {
  json_ = Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 64,
    "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 12,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5, "hidden_act": "silu"})");
  config_ = ParseModelConfig(json_, "test").value();
  modules_ = ListModules(config_);
  GANTRY_ASSERT_OK_AND_ASSIGN(Placement placement,
                              ByMap(R"({"": "w0", "model.layers.1": "w1"})", Cpus({100, 100})));
  ASSERT_EQ(placement.stages.size(), 3u);
  EXPECT_EQ(placement.stages[1].end - placement.stages[1].begin, 1) << "layers 10 and 11 stay";
}

TEST_F(PlacementTest, DevicesByNumberAndKind) {
  std::vector<DeviceSpec> devices = Cpus({100, 100});
  devices.push_back({"g", "cuda:0", 500000000});
  GANTRY_ASSERT_OK_AND_ASSIGN(
      Placement placement,
      ByMap(R"({"model": 0, "model.layers.5": "cpu", "lm_head": "cpu:1"})", devices));
  std::vector<int> order;
  for (const StagePlan& stage : placement.stages) order.push_back(stage.device);
  EXPECT_EQ(order, (std::vector<int>{2, 0, 2, 1}));
}

TEST_F(PlacementTest, BadMapsNameTheKey) {
  struct Case {
    const char* map;
    const char* message;
  };
  const Case cases[] = {
      {R"({"model": "w0"})", "no device is given for lm_head"},
      {R"({"": "w9"})", "there is no device \"w9\"; the workers are w0"},
      {R"({"": "w0", "model.layers.6": "w0"})", "no module \"model.layers.6\""},
      {R"({"": "w0", "model.layers.0.mlp": "w0"})", "lies within model.layers.0"},
      {R"({"": "disk"})", "there is no device \"disk\""},
      {R"({"": -1})", "expected a device's name or number"},
      {R"({"": [0]})", "expected a device's name or number"},
      {R"([])", "expected a JSON object"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(ByMap(c.map, Cpus({100})),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)))
        << c.map;
  }
  EXPECT_THAT(ByMap(R"({"": "w0"})", Cpus({5})),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("w0 would hold")));
}

}  // namespace
}  // namespace gantry
