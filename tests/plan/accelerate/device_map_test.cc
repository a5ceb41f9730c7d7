#include "plan/accelerate/device_map.h"

#include <limits>
#include <map>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/json.h"
#include "plan/accelerate/module_sizes.h"
#include "plan/known_models/known_models.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

constexpr uint64_t kGiB = uint64_t{1} << 30;

ModelTree Tree(const std::string& name) {
  const absl::StatusOr<const KnownModel*> model = FindKnownModel(name);
  EXPECT_THAT(model, IsOk());
  absl::StatusOr<ModelTree> tree = BuildModelTree((*model)->config, name);
  EXPECT_THAT(tree, IsOk());
  return *std::move(tree);
}

// As device_maps.json was made: what is not quantised has 16 bits.
WeightFormat Format(const std::string& dtype) {
  WeightFormat format;
  format.dtype = dtype == "float32" ? DType::kF32 : DType::kF16;
  format.quantization.load_in_8bit = dtype == "int8";
  format.quantization.load_in_4bit = dtype == "int4";
  return format;
}

Json Reference() {
  absl::StatusOr<Json> json = ReadJsonFile(GANTRY_TESTDATA "/device_maps.json");
  EXPECT_THAT(json, IsOk());
  return *std::move(json);
}

MaxMemory Machine(const Json& entry) {
  MaxMemory limits;
  for (const Json& gib : entry["gpus_gib"]) {
    limits.emplace_back(absl::StrCat(limits.size()), gib.get<uint64_t>() * kGiB);
  }
  limits.emplace_back("cpu", entry["cpu_gib"].get<uint64_t>() * kGiB);
  return limits;
}

// Of the entries "layers 3-7" the file makes one of five.
std::map<std::string, std::string> ExpandRuns(const Json& map) {
  std::map<std::string, std::string> expanded;
  for (const auto& entry : map.items()) {
    const std::string& key = entry.key();
    if (key.compare(0, 7, "layers ") != 0) {
      expanded[key] = entry.value().get<std::string>();
      continue;
    }
    const std::vector<std::string> ends = absl::StrSplit(key.substr(7), '-');
    for (int i = std::stoi(ends.at(0)); i <= std::stoi(ends.at(1)); ++i) {
      expanded[absl::StrCat("model.layers.", i)] = entry.value().get<std::string>();
    }
  }
  return expanded;
}

TEST(DeviceMapTest, EveryMapOfTheReference) {
  int count = 0;
  const Json reference = Reference();
  for (const auto& model : reference.items()) {
    const ModelTree tree = Tree(model.key());
    for (const Json& entry : model.value()["maps"]) {
      const std::string what = absl::StrCat(model.key(), " ", entry["dtype"].dump(), " ",
                                            entry["gpus_gib"].dump(), " ", entry["mode"].dump());
      const WeightFormat format = Format(entry["dtype"]);
      GANTRY_ASSERT_OK_AND_ASSIGN(const AccelerateMode mode,
                                  ParseAccelerateMode(entry["mode"].get<std::string>()));
      GANTRY_ASSERT_OK_AND_ASSIGN(const DeviceMap map,
                                  InferDeviceMap(tree, format, Machine(entry), mode));
      const std::map<std::string, std::string> found(map.begin(), map.end());
      EXPECT_EQ(found.size(), map.size()) << what;
      EXPECT_EQ(found, ExpandRuns(entry["device_map"])) << what;
      ++count;
    }
  }
  EXPECT_EQ(count, 288);
}

TEST(DeviceMapTest, EveryBalancedMemoryOfTheReference) {
  const Json reference = Reference();
  for (const auto& model : reference.items()) {
    const ModelTree tree = Tree(model.key());
    for (const Json& entry : model.value()["maps"]) {
      MaxMemory limits = Machine(entry);
      if (entry["mode"] != "sequential") {
        limits = BalancedMemory(tree, Format(entry["dtype"]), std::move(limits),
                                entry["mode"] == "balanced_low_0");
      }
      for (const auto& [device, bytes] : limits) {
        EXPECT_EQ(bytes, entry["max_memory"][device].get<uint64_t>())
            << model.key() << " " << entry["dtype"] << " " << entry["mode"] << " " << device;
      }
    }
  }
}

TEST(ModuleSizesTest, AsTheReference) {
  const Json reference = Reference();
  for (const auto& model : reference.items()) {
    const ModelTree tree = Tree(model.key());
    EXPECT_EQ(tree.parameters, model.value()["parameters"].get<uint64_t>());
    for (const auto& entry : model.value()["sizes"].items()) {
      const ModuleSizes sizes = ComputeModuleSizes(tree, Format(entry.key()));
      EXPECT_EQ(sizes.Of(""), entry.value()["total"].get<uint64_t>()) << entry.key();
      EXPECT_EQ(sizes.Of("model.layers.0"), entry.value()["layer0"].get<uint64_t>());
      EXPECT_EQ(sizes.Of("lm_head"), entry.value()["lm_head"].get<uint64_t>());
    }
  }
}

TEST(DeviceMapTest, AutoIsBalanced) {
  const ModelTree tree = Tree("meta-llama/Llama-2-7b-hf");
  const MaxMemory limits = {{"0", 24 * kGiB}, {"1", 24 * kGiB}, {"cpu", 64 * kGiB}};
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const DeviceMap balanced,
      InferDeviceMap(tree, Format("float16"), limits, AccelerateMode::kBalanced));
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const DeviceMap automatic,
      InferDeviceMap(tree, Format("float16"), limits, AccelerateMode::kAuto));
  EXPECT_EQ(automatic, balanced);
}

TEST(DeviceMapTest, MemoryFractionScalesEveryLimit) {
  const ModelTree tree = Tree("meta-llama/Llama-2-7b-hf");
  const MaxMemory whole = {{"0", 10 * kGiB}, {"cpu", 64 * kGiB}};
  const MaxMemory scaled = {{"0", 9 * kGiB}, {"cpu", 576 * kGiB / 10}};
  const WeightFormat format = Format("float16");
  GANTRY_ASSERT_OK_AND_ASSIGN(
      const DeviceMap by_fraction,
      InferDeviceMap(tree, format, whole, AccelerateMode::kSequential, 0.9));
  GANTRY_ASSERT_OK_AND_ASSIGN(const DeviceMap by_limits,
                              InferDeviceMap(tree, format, scaled, AccelerateMode::kSequential));
  GANTRY_ASSERT_OK_AND_ASSIGN(const DeviceMap unscaled,
                              InferDeviceMap(tree, format, whole, AccelerateMode::kSequential));
  EXPECT_EQ(by_fraction, by_limits);
  EXPECT_NE(by_fraction, unscaled);
  for (const double wrong : {0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT(InferDeviceMap(tree, format, whole, AccelerateMode::kAuto, wrong),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("memory_fraction")));
  }
}

TEST(DeviceMapTest, TiedModulesOfAnEncoderDecoderStayTogether) {
  const ModelTree tree = Tree("google/flan-t5-base");
  const MaxMemory limits = {{"0", 600 << 20}, {"cpu", 64 * kGiB}};
  GANTRY_ASSERT_OK_AND_ASSIGN(const DeviceMap map, InferDeviceMap(tree, Format("float32"), limits,
                                                                  AccelerateMode::kSequential));
  const std::map<std::string, std::string> found(map.begin(), map.end());
  EXPECT_EQ(found.at("shared"), "0");
  EXPECT_EQ(found.at("encoder"), "0");
  EXPECT_EQ(found.at("decoder.embed_tokens"), "0");
  EXPECT_EQ(found.at("decoder.block.11"), "cpu");
  GANTRY_EXPECT_OK(CheckDeviceMap(tree, map));
}

TEST(DeviceMapTest, WithoutRoomEverythingGoesToDisk) {
  const ModelTree tree = Tree("Qwen/Qwen2-0.5B");
  GANTRY_ASSERT_OK_AND_ASSIGN(const DeviceMap map,
                              InferDeviceMap(tree, Format("float32"), {}, AccelerateMode::kAuto));
  EXPECT_THAT(map, ElementsAre(Pair("", "disk")));
}

TEST(DeviceMapTest, OnAnyMachineEverythingHasADeviceAndNoneOverflows) {
  std::mt19937_64 random(3);
  const char* const kModels[] = {
      "flan-t5-base", "gemma-2-2b", "Mixtral-8x7B-v0.1",       "Qwen2-1.5B",
      "bloom",        "opt-175b",   "Phi-3-medium-4k-instruct"};
  const AccelerateMode kModes[] = {AccelerateMode::kSequential, AccelerateMode::kBalanced,
                                   AccelerateMode::kBalancedLow0};
  for (const char* name : kModels) {
    const ModelTree tree = Tree(name);
    for (const char* dtype : {"float32", "float16", "int8", "int4"}) {
      const WeightFormat format = Format(dtype);
      const ModuleSizes sizes = ComputeModuleSizes(tree, format);
      for (int round = 0; round < 6; ++round) {
        MaxMemory limits;
        const uint64_t gpus = random() % 5;
        for (uint64_t i = 0; i < gpus; ++i) {
          limits.emplace_back(absl::StrCat(i), random() % sizes.Of(""));
        }
        if (random() % 3 > 0) limits.emplace_back("cpu", random() % (2 * sizes.Of("")));
        GANTRY_ASSERT_OK_AND_ASSIGN(const DeviceMap map,
                                    InferDeviceMap(tree, format, limits, kModes[round % 3]));
        GANTRY_EXPECT_OK(CheckDeviceMap(tree, map));
        std::map<std::string, uint64_t> used;
        for (const auto& [module, device] : map) used[device] += sizes.Of(module);
        for (const auto& [device, bytes] : limits) EXPECT_LE(used[device], bytes) << name;
      }
    }
  }
}

TEST(DeviceMapTest, CheckNamesWhatHasNoDevice) {
  const ModelTree tree = Tree("TinyLlama/TinyLlama-1.1B-Chat-v1.0");
  GANTRY_EXPECT_OK(CheckDeviceMap(tree, {{"", "0"}}));
  GANTRY_EXPECT_OK(CheckDeviceMap(tree, {{"model", "0"}, {"lm_head", "cpu"}}));
  EXPECT_THAT(CheckDeviceMap(tree, {{"model", "0"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "The device_map provided does not give any device for the following "
                       "parameters: lm_head.weight"));
  // "model.layers.1" does not cover layer 10.
  DeviceMap map = {{"model.embed_tokens", "0"}, {"model.norm", "0"}, {"lm_head", "0"}};
  for (int i = 0; i < 22; ++i) {
    if (i != 10) map.emplace_back(absl::StrCat("model.layers.", i), "0");
  }
  EXPECT_THAT(CheckDeviceMap(tree, map),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("model.layers.10.self_attn.q_proj.weight"),
                             HasSubstr(" and 1 more"))));
}

TEST(DeviceMapTest, OffloadNeedsItsFlag) {
  QuantizationOptions options;
  const DeviceMap mixed = {{"model", "0"}, {"lm_head", "cpu"}};
  GANTRY_EXPECT_OK(CheckOffload(mixed, options));
  options.load_in_4bit = true;
  EXPECT_THAT(CheckOffload(mixed, options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("Some modules are dispatched on the CPU or the disk."),
                             HasSubstr("`llm_int8_enable_fp32_cpu_offload=True`"))));
  EXPECT_THAT(CheckOffload({{"model", "0"}, {"lm_head", "disk"}}, options), Not(IsOk()));
  GANTRY_EXPECT_OK(CheckOffload({{"", "cpu"}}, options));
  GANTRY_EXPECT_OK(CheckOffload({{"model", "0"}, {"lm_head", "1"}}, options));
  options.llm_int8_enable_fp32_cpu_offload = true;
  GANTRY_EXPECT_OK(CheckOffload(mixed, options));
}

TEST(DeviceMapTest, ModesByName) {
  EXPECT_THAT(ParseAccelerateMode("optimal"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"optimal\"")));
}

}  // namespace
}  // namespace gantry
