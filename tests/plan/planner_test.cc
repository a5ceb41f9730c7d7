#include "plan/planner.h"

#include <algorithm>

#include "plan/explain.h"
#include "plan/hardware_table.h"
#include "plan/output_json.h"
#include "plan/output_svg.h"
#include "plan/output_table.h"
#include "plan/sweep_table.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

PlannerModel Model(absl::string_view name) {
  const absl::StatusOr<PlannerModel> model = LoadPlannerModel(name);
  EXPECT_THAT(model, IsOk());
  return *model;
}

PlannerOptions Options(absl::string_view gpus, absl::string_view cpus = "") {
  PlannerOptions options;
  options.model = "meta-llama/Llama-3.1-8B";
  options.gpus_text = std::string(gpus);
  options.cpus_text = std::string(cpus);
  for (const auto& [text, kind] :
       {std::make_pair(gpus, MemoryKind::kGpu), std::make_pair(cpus, MemoryKind::kCpu)}) {
    if (text.empty()) continue;
    const auto devices = ParseDevices(text, kind, "--devices");
    EXPECT_THAT(devices, IsOk());
    options.hardware.devices.insert(options.hardware.devices.end(), devices->begin(),
                                    devices->end());
  }
  return options;
}

PlanResult Planned(const PlannerModel& model, const PlannerOptions& options) {
  const absl::StatusOr<PlanResult> result = MakePlan(model, options);
  EXPECT_THAT(result, IsOk());
  return *result;
}

TEST(PlannerTest, OneLargeGpuHoldsAll) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  const PlanResult result = Planned(model, Options("RTX4090,H200"));
  EXPECT_TRUE(result.fits());
  EXPECT_FALSE(result.plan.loads[0].used);
  EXPECT_TRUE(result.plan.loads[1].used);
  EXPECT_EQ(result.plan.num_stages, 1);
  EXPECT_GE(result.plan.loads[1].weights_bytes, 2 * model.tree.parameters);
  EXPECT_LT(result.plan.loads[1].weights_bytes, 2.02 * model.tree.parameters);
}

TEST(PlannerTest, PredictedDecodeOnTheReferenceMachineLiesBetweenFirstAndWorldClass) {
  // The project's targets for Llama-3-8B NF4: 0.45 and 0.60 of the ceiling of 880 tokens/s.
  PlannerOptions options = Options("H200");
  options.quantization.load_in_4bit = true;
  options.quantization.bnb_4bit_quant_type = Scheme::kNf4;
  options.context = 256;
  const PlanResult result = Planned(Model("meta-llama/Meta-Llama-3-8B"), options);
  EXPECT_GT(result.plan.predicted.decode_tokens_per_s, 0.40 * 880);
  EXPECT_LT(result.plan.predicted.decode_tokens_per_s, 0.60 * 880);
}

TEST(PlannerTest, QuantisedLayersOnTheCpuNeedTheFlag) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  PlannerOptions options = Options("8GB", "64GB");
  options.quantization.load_in_8bit = true;
  const PlanResult refused = Planned(model, options);
  EXPECT_EQ(refused.problem, PlanProblem::kOffloadFlag);
  EXPECT_THAT(refused.error, HasSubstr("Some modules are dispatched on the CPU or the disk."));
  const auto suggestions = SuggestChanges(model, options, refused);
  ASSERT_FALSE(suggestions.empty());
  EXPECT_THAT(suggestions[0].command, HasSubstr("--llm_int8_enable_fp32_cpu_offload"));

  options.quantization.llm_int8_enable_fp32_cpu_offload = true;
  const PlanResult result = Planned(model, options);
  ASSERT_TRUE(result.fits());
  // In fp32 a layer takes four times what int8 takes.
  EXPECT_GT(result.costs.weights[1][3], 3.9 * result.costs.weights[0][3]);
}

TEST(PlannerTest, WhatIsMissingIsEnoughAndALittleLessIsNot) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  PlannerOptions options = Options("2x6GB");
  const PlanResult result = Planned(model, options);
  ASSERT_EQ(result.problem, PlanProblem::kMemory);
  ASSERT_GT(result.missing_bytes, 0);
  for (HardwareDevice& device : options.hardware.devices) {
    device.memory_bytes += result.missing_bytes;
  }
  EXPECT_TRUE(Planned(model, options).fits());
  for (HardwareDevice& device : options.hardware.devices) device.memory_bytes -= 5'000'000;
  EXPECT_FALSE(Planned(model, options).fits());
}

TEST(PlannerTest, ModelsFitWithEachSuggestion) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  PlannerOptions options = Options("1x10GB");
  options.context = 131072;
  options.batch = 4;
  const auto suggestions = SuggestChanges(model, options, Planned(model, options));
  std::vector<std::string> changes;
  for (const PlanSuggestion& suggestion : suggestions) {
    changes.push_back(suggestion.change);
    EXPECT_THAT(suggestion.command, HasSubstr("planner --model meta-llama/Llama-3.1-8B --gpus"));
  }
  EXPECT_THAT(changes, Contains(HasSubstr("more GPU")));
}

TEST(PlannerTest, ACommandHasTheFlagsThatACheckpointDoesNotDecide) {
  PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  ServingRequest request;
  request.quantization.load_in_4bit = true;
  request.given = {"load_in_4bit"};
  // Some write a quantization_config that quantises nothing.
  model.tree.quantization_config = Json{{"load_in_8bit", false}, {"load_in_4bit", false}};
  PlannerOptions options = Options("24GB");
  GANTRY_ASSERT_OK(UseServingRequest(model, request, &options));
  EXPECT_THAT(PlannerCommand(options), HasSubstr("--load_in_4bit"));
  model.tree.quantization_config = Json{{"load_in_4bit", true}};
  GANTRY_ASSERT_OK(UseServingRequest(model, request, &options));
  EXPECT_THAT(PlannerCommand(options), Not(HasSubstr("--load_in_4bit")));
}

TEST(PlannerTest, LargestContextFitsAndTheNextDoesNot) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  PlannerOptions options = Options("24GB");
  const PlanResult result = Planned(model, options);
  const int64_t context = LargestContext(model.tree, result);
  ASSERT_GT(context, 4096);
  ASSERT_LT(context, 131072);
  options.context = context;
  EXPECT_TRUE(Planned(model, options).fits());
  options.context = context + 256;
  EXPECT_FALSE(Planned(model, options).fits());
}

TEST(PlannerTest, MaxMemoryLimitsAndLeavesOut) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  PlannerOptions options = Options("3x24GB");
  options.max_memory = MaxMemory{{"0", 5'000'000'000}, {"1", 100'000'000'000}};
  const PlanResult result = Planned(model, options);
  EXPECT_EQ(result.hardware.devices[0].memory_bytes, 5'000'000'000);
  EXPECT_EQ(result.hardware.devices[1].memory_bytes, 24'000'000'000);
  EXPECT_EQ(result.hardware.devices[2].memory_bytes, 0);
  EXPECT_FALSE(result.plan.loads[2].used);
  options.max_memory = MaxMemory{{"7", 5'000'000'000}};
  EXPECT_THAT(MakePlan(model, options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"7\"")));
}

TEST(PlannerTest, AGivenMapIsEvaluatedAsItIs) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  PlannerOptions options = Options("2x24GB");
  const PlanResult optimal = Planned(model, options);
  options.given_map = optimal.device_map;
  options.device_map = "map.json";
  const PlanResult again = Planned(model, options);
  EXPECT_TRUE(again.fits());
  EXPECT_EQ(again.plan.device_of, optimal.plan.device_of);
  options.given_map->pop_back();
  EXPECT_THAT(MakePlan(model, options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("lm_head")));
}

TEST(PlannerTest, WrongQuestions) {
  const PlannerModel model = Model("meta-llama/Llama-2-7b-hf");
  PlannerOptions options = Options("80GB");
  options.context = 4097;
  EXPECT_THAT(MakePlan(model, options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--context=4097")));
  options.context = 100;
  options.prompt_tokens = 101;
  EXPECT_THAT(MakePlan(model, options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--prompt_tokens")));
  EXPECT_THAT(LoadPlannerModel("nobody/knows-this"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nobody/knows-this")));
}

TEST(PlannerTest, HugeNumbersNeitherOverflowNorHang) {
  const PlannerModel model = Model("google/flan-t5-xl");
  PlannerOptions options = Options("1024x1000TB");
  options.context = kMaxPlanContext;
  options.batch = kMaxPlanBatch;
  options.objective = PlanObjective::kThroughput;
  EXPECT_FALSE(Planned(model, options).fits());
  options.context = 512;
  options.batch = 1;
  EXPECT_TRUE(Planned(model, options).fits());
}

TEST(PlannerTest, ThroughputNeverHasASlowerSlowestStage) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  PlannerOptions options = Options("2xRTX4090,1xH200,1xT4");
  const PlanResult latency = Planned(model, options);
  options.objective = PlanObjective::kThroughput;
  const PlanResult throughput = Planned(model, options);
  EXPECT_LT(throughput.plan.predicted.bottleneck_s, latency.plan.predicted.bottleneck_s);
  EXPECT_GE(throughput.plan.predicted.step_s, latency.plan.predicted.step_s);
}

TEST(PlannerCommandTest, QuotesForAShell) {
  PlannerOptions options = Options("2x24GB");
  options.model = "it's here";
  options.max_memory_text = "{\"0\":\"1GB\"}";
  options.context = 99;
  EXPECT_EQ(PlannerCommand(options),
            "planner --model 'it'\\''s here' --gpus 2x24GB --max_memory '{\"0\":\"1GB\"}' "
            "--context 99");
}

TEST(OutputTest, JsonHasTheDocumentedFields) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  const PlannerOptions options = Options("24GB");
  const PlanResult result = Planned(model, options);
  const Json json = PlanToJson(model, result, PlanReport{});
  EXPECT_EQ(json["fits"], true);
  EXPECT_EQ(json["parameters"], 8030261248);
  EXPECT_EQ(json["device_map"]["model.layers.31"], 0);
  EXPECT_EQ(json["device_map"]["lm_head"], 0);
  const Json& device = json["devices"][0];
  EXPECT_EQ(device["name"], "0");
  const uint64_t sum =
      device["weights_bytes"].get<uint64_t>() + device["kv_cache_bytes"].get<uint64_t>() +
      device["activations_bytes"].get<uint64_t>() + device["overhead_bytes"].get<uint64_t>() +
      device["free_bytes"].get<uint64_t>();
  EXPECT_EQ(sum, device["capacity_bytes"].get<uint64_t>());
  EXPECT_GT(json["predicted"]["decode_tokens_per_s"].get<double>(), 0);
  EXPECT_GT(json["predicted"]["prefill_tokens_per_s"].get<double>(), 0);
  EXPECT_TRUE(json["suggestions"].is_array());
}

TEST(OutputTest, TableSaysWhatHoldsAndWhy) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  const PlannerOptions options = Options("2x12GB");
  const PlanResult result = Planned(model, options);
  PlanReport report;
  report.explanation = ExplainPlan(model.tree, result);
  const std::string text = FormatPlanTable(model, result, report, TableStyle{false, false});
  EXPECT_THAT(text, AllOf(HasSubstr("GPU 0"), HasSubstr("embedding, layers 0-"),
                          HasSubstr("It fits."), HasSubstr("Predicted, not measured"),
                          HasSubstr("both are equally fast"), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(FormatPlanTable(model, result, report, TableStyle{true, true}),
              AllOf(HasSubstr("\x1b[34m"), HasSubstr("█")));
}

TEST(OutputTest, SvgEscapesNames) {
  PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  model.name = "<script>&\"\xff";
  const std::string svg = FormatPlanSvg(model, Planned(model, Options("24GB")), PlanReport{});
  EXPECT_THAT(svg, AllOf(HasSubstr("&lt;script&gt;&amp;&quot;"), HasSubstr("</svg>"),
                         Not(HasSubstr("<script>"))));
}

TEST(OutputTest, Speeds) {
  EXPECT_EQ(FormatSpeed(5.123), "5.12");
  EXPECT_EQ(FormatSpeed(51.23), "51.2");
  EXPECT_EQ(FormatSpeed(512.3), "512");
  EXPECT_EQ(FormatSpeed(5123), "5,120");
  EXPECT_EQ(FormatSpeed(1234567), "1,234,570");
  EXPECT_EQ(FormatParameters(70'553'706'496), "70.6 B");
}

TEST(HardwareTableTest, SmallModelsRunAndLargeOnesDoNot) {
  const auto rows = PlanKnownModels(Options("24GB"));
  GANTRY_ASSERT_OK(rows);
  EXPECT_GT(rows->size(), 90);
  bool small = false;
  bool large = false;
  for (const ModelOnHardware& row : *rows) {
    if (row.fits) {
      EXPECT_GE(row.max_context, 256) << row.model;
    }
    small |= row.fits && row.model == "meta-llama/Llama-3.2-1B" && row.decode_tokens_per_s > 0;
    large |= row.fits && row.model == "meta-llama/Llama-3.1-405B";
  }
  EXPECT_TRUE(small);
  EXPECT_FALSE(large);
  EXPECT_THAT(FormatHardwareTable(*rows, Options("24GB")),
              AllOf(HasSubstr("Too large here"), HasSubstr("meta-llama/Llama-3.1-405B")));
}

TEST(SweepTest, LongerContextsTakeMoreUntilTheyDoNotFit) {
  const PlannerModel model = Model("meta-llama/Llama-3.1-8B");
  const auto rows = SweepContext(model, Options("24GB"));
  GANTRY_ASSERT_OK(rows);
  EXPECT_EQ(rows->front().context, 1024);
  EXPECT_TRUE(rows->front().fits);
  EXPECT_EQ(rows->back().context, 131072);
  EXPECT_FALSE(rows->back().fits);
  for (size_t i = 1; i < rows->size() && (*rows)[i].fits; ++i) {
    EXPECT_GT((*rows)[i].kv_cache_bytes, (*rows)[i - 1].kv_cache_bytes);
    EXPECT_LT((*rows)[i].predicted.decode_tokens_per_s,
              (*rows)[i - 1].predicted.decode_tokens_per_s);
  }
  GANTRY_EXPECT_OK(SweepBatch(model, Options("24GB")));
}

}  // namespace
}  // namespace gantry
