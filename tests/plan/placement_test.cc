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

// GPUs of these sizes, then CPUs.
std::vector<DeviceSpec> Mixed(const std::vector<uint64_t>& gpus,
                              const std::vector<uint64_t>& cpus) {
  std::vector<DeviceSpec> devices;
  for (const uint64_t bytes : cpus) {
    devices.push_back({"cpu-" + std::to_string(devices.size()), "cpu", bytes});
  }
  for (size_t i = 0; i < gpus.size(); ++i) {
    devices.push_back({"gpu-" + std::to_string(i), "cuda:" + std::to_string(i), gpus[i]});
  }
  return devices;
}

class MixedPlacementTest : public PlacementTest {
 protected:
  MixedPlacementTest() {
    format_.weights.dtype = DType::kBF16;
    format_.weights.quantization.load_in_4bit = true;
    format_.weights.quantization.bnb_4bit_quant_type = Scheme::kNf4;
    format_.weights.quantization.llm_int8_enable_fp32_cpu_offload = true;
  }
  // What the GPU needs for its first `modules` modules.
  uint64_t GpuBytes(int modules) {
    const PlacementCosts costs = Costs();
    const PlacementCosts::OnKind& on = costs.On(MemoryKind::kGpu);
    uint64_t bytes = on.workspace;
    for (int m = 0; m < modules; ++m) bytes += on.weights[m] + on.kv[m];
    return bytes;
  }
};

TEST_F(MixedPlacementTest, GpusComeFirstAndCpusStaySpareIfTheyCan) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      Placement placement,
      PlaceContiguous(Costs(), Mixed({300'000'000, 300'000'000}, {900'000'000})));
  ExpectSound(placement);
  ASSERT_EQ(placement.stages.size(), 2u);
  EXPECT_EQ(placement.stages[0].device, 1);
  EXPECT_EQ(placement.stages[1].device, 2);
  EXPECT_EQ(placement.ledgers[0].total_bytes(), 0);
  EXPECT_EQ(placement.stages[0].scheme, Scheme::kNf4);
}

TEST_F(MixedPlacementTest, WhatTheGpuHasNoRoomForGoesToCpusInTheirScheme) {
  GANTRY_ASSERT_OK_AND_ASSIGN(
      Placement placement,
      PlaceContiguous(Costs(), Mixed({GpuBytes(4)}, {100'000'000, 100'000'000})));
  ExpectSound(placement);
  ASSERT_EQ(placement.stages.size(), 3u);
  EXPECT_EQ(placement.stages[0].device, 2);
  EXPECT_EQ(placement.stages[0].end, 4);
  EXPECT_EQ(placement.stages[0].scheme, Scheme::kNf4);
  EXPECT_EQ(placement.stages[1].scheme, Scheme::kFp32);
  // A layer in nf4 with bf16 keys and values, and one in fp32.
  const uint64_t layer = (256 + 2 * 128 + 256 + 3 * 512) * 256;
  const uint64_t kv = 2 * 16 * 16 * 2 * 64;
  const uint64_t norms = 2 * 256 * 4;
  const uint64_t nf4 = layer / 2 + layer / 64 * 4 + 4 * kStatisticsPadding + norms;
  const PlacementCosts costs = Costs();
  EXPECT_EQ(costs.On(MemoryKind::kGpu).weights[1], nf4);
  EXPECT_EQ(costs.On(MemoryKind::kGpu).kv[1], kv * 2);
  EXPECT_EQ(costs.On(MemoryKind::kCpu).weights[1], layer * 4 + norms);
  EXPECT_EQ(costs.On(MemoryKind::kCpu).kv[1], kv * 4);
  EXPECT_EQ(costs.On(MemoryKind::kGpu).weights[0], 1024u * 256 * 2) << "embeddings in bf16";
  format_.offload_dtype = OffloadDType::kAuto;
  EXPECT_EQ(Costs().On(MemoryKind::kCpu).weights[1], nf4);
  EXPECT_EQ(Costs().On(MemoryKind::kCpu).weights[0], 1024u * 256 * 4);
}

TEST_F(MixedPlacementTest, CpusNeedPermissionBesideGpus) {
  format_.weights.quantization.llm_int8_enable_fp32_cpu_offload = false;
  const std::vector<DeviceSpec> devices = Mixed({GpuBytes(4)}, {100'000'000});
  EXPECT_THAT(PlaceContiguous(Costs(), devices),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("--llm_int8_enable_fp32_cpu_offload")));
  EXPECT_THAT(ByMap(R"({"": 0, "lm_head": "cpu"})", Mixed({500'000'000}, {100'000'000})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::AllOf(HasSubstr("lm_head on cpu-0"),
                                      HasSubstr("--llm_int8_enable_fp32_cpu_offload"))));
  // A placement on CPUs alone is one's own choice.
  GANTRY_EXPECT_OK(ByMap(R"({"": "cpu"})", Mixed({500'000'000}, {100'000'000})));
  GANTRY_EXPECT_OK(PlaceContiguous(Costs(), Mixed({}, {100'000'000})));
  format_.offload_dtype = OffloadDType::kFloat32;
  GANTRY_EXPECT_OK(PlaceContiguous(Costs(), devices));
  // Without quantisation nothing is lost on a CPU.
  format_ = ServingFormat();
  GANTRY_EXPECT_OK(ByMap(R"({"": 0, "lm_head": "cpu"})", Mixed({500'000'000}, {100'000'000})));
}

TEST_F(MixedPlacementTest, SoundOnRandomMachines) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  int placed = 0;
  for (int i = 0; i < 300; ++i) {
    std::vector<uint64_t> gpus(1 + random() % 3);
    std::vector<uint64_t> cpus(random() % 4);
    for (uint64_t& bytes : gpus) bytes = GpuBytes(0) + random() % 1'500'000;
    for (uint64_t& bytes : cpus) bytes = 5'000'000 + random() % 40'000'000;
    const absl::StatusOr<Placement> placement = PlaceContiguous(Costs(), Mixed(gpus, cpus));
    if (!placement.ok()) {
      EXPECT_EQ(placement.status().code(), absl::StatusCode::kResourceExhausted);
      continue;
    }
    ++placed;
    ExpectSound(*placement);
  }
  EXPECT_GT(placed, 30);
}

TEST_F(MixedPlacementTest, AGpuIsNamedByItsNumber) {
  const std::vector<DeviceSpec> devices = {
      {"a", "cuda:1", 500'000'000}, {"b", "cuda:0", 500'000'000}, {"c", "cpu", 100'000'000}};
  const auto device_of = [&](const std::string& name) {
    const absl::StatusOr<Placement> placement =
        ByMap(("{\"\": \"" + name + "\"}").c_str(), devices);
    EXPECT_THAT(placement, IsOk());
    return placement.ok() ? placement->stages[0].device : -1;
  };
  EXPECT_EQ(device_of("0"), 1);
  EXPECT_EQ(device_of("cuda:0"), 1);
  EXPECT_EQ(device_of("cuda:1"), 0);
  EXPECT_EQ(device_of("cpu:0"), 2);
  // Several machines have a GPU 0: then they are counted.
  const std::vector<DeviceSpec> two = {{"a", "cuda:0", 500'000'000}, {"b", "cuda:0", 500'000'000}};
  GANTRY_ASSERT_OK_AND_ASSIGN(Placement second, ByMap(R"({"": "cuda:1"})", two));
  EXPECT_EQ(second.stages[0].device, 1);
  EXPECT_THAT(ByMap(R"({"": 2})", two),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no device \"2\"")));
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
