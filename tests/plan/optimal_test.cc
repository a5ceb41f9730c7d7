#include "plan/optimal.h"

#include <algorithm>
#include <limits>
#include <random>
#include <set>

#include "plan/accelerate/device_map.h"
#include "plan/known_models/known_models.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// A made-up model of `layers` layers between an embedding and a head, on made-up devices of which
// some are alike. `uniform`: its layers are.
PlanCosts RandomCosts(std::mt19937* random, int layers, int devices, bool uniform) {
  const auto pick = [random](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(*random);
  };
  PlanCosts costs;
  costs.num_units = layers + 2;
  costs.first_layer = 1;
  costs.end_layer = layers + 1;
  costs.tied_unit.assign(costs.num_units, -1);
  if (pick(0, 1) == 1) costs.tied_unit.back() = 0;
  costs.computes_logits.assign(costs.num_units, false);
  costs.computes_logits.back() = true;
  for (int k = 0; k < 2; ++k) {
    costs.activations[k] = pick(0, 3);
    costs.head_activations[k] = costs.activations[k] + pick(0, 3);
  }
  costs.decode_hop = pick(0, 4) * 0.5;
  for (int k = 0; k < 2; ++k) {
    costs.overhead[k] = pick(0, 2);
    const int layer = pick(3, 9);
    const int kv = pick(0, 3);
    for (int u = 0; u < costs.num_units; ++u) {
      const bool is_layer = u > 0 && u <= layers;
      costs.weights[k].push_back(is_layer && uniform ? layer : pick(3, 12));
      costs.kv[k].push_back(is_layer ? (uniform ? kv : pick(0, 3)) : 0);
    }
  }
  const int classes = pick(1, 3);
  for (int c = 0; c < classes; ++c) {
    const double layer = pick(1, 8);
    std::vector<double> decode(costs.num_units);
    for (int u = 1; u < costs.num_units; ++u) decode[u] = uniform ? layer : pick(1, 8);
    decode.back() = pick(0, 6);
    costs.decode.push_back(decode);
    costs.prefill.push_back(decode);
  }
  for (int d = 0; d < devices; ++d) {
    HardwareDevice device;
    device.kind = pick(0, 3) == 0 ? MemoryKind::kCpu : MemoryKind::kGpu;
    device.memory_bytes = pick(5, 12 * (layers + 2) / devices + 15);
    if (d > 0 && pick(0, 1) == 1) device = costs.devices[d - 1];
    costs.devices.push_back(device);
    costs.device_class.push_back(d > 0 && pick(0, 1) == 1 ? costs.device_class[d - 1]
                                                          : pick(0, classes - 1));
  }
  NameDevices(&costs.devices);
  return costs;
}

double Value(const PlanCosts& costs, const std::vector<int>& device_of, PlanObjective objective) {
  const Plan plan = EvaluatePlan(costs, device_of);
  if (!plan.fits) return kNever;
  return objective == PlanObjective::kLatency ? plan.predicted.step_s : plan.predicted.bottleneck_s;
}

// Tries every run of units for every unused device; the end may also go to the first device.
double Exhaustive(const PlanCosts& costs, PlanObjective objective, std::vector<int> device_of,
                  std::set<int> used) {
  const int next = static_cast<int>(device_of.size());
  if (next == costs.num_units) return Value(costs, device_of, objective);
  double best = kNever;
  for (int d = 0; d < static_cast<int>(costs.devices.size()); ++d) {
    const bool returns = next == costs.num_units - 1 && next > 0 && d == device_of[0];
    if (used.count(d) > 0 && !returns) continue;
    std::set<int> more = used;
    more.insert(d);
    for (int end = next + 1; end <= costs.num_units; ++end) {
      std::vector<int> longer = device_of;
      longer.resize(end, d);
      best = std::min(best, Exhaustive(costs, objective, longer, more));
    }
  }
  return best;
}

void CompareWithExhaustive(bool uniform, int seed) {
  std::mt19937 random(seed);
  int placed = 0;
  for (int round = 0; round < 250; ++round) {
    SCOPED_TRACE(round);
    const int devices = std::uniform_int_distribution<int>(1, 4)(random);
    const int layers = std::uniform_int_distribution<int>(1, devices == 4 ? 4 : 6)(random);
    const PlanCosts costs = RandomCosts(&random, layers, devices, uniform);
    for (PlanObjective objective : {PlanObjective::kLatency, PlanObjective::kThroughput}) {
      const OptimalPlan found = FindOptimalPlan(costs, objective);
      EXPECT_TRUE(found.exact);
      const double best = Exhaustive(costs, objective, {}, {});
      ASSERT_EQ(found.device_of.empty(), best == kNever);
      if (best == kNever) continue;
      ++placed;
      ASSERT_NEAR(Value(costs, found.device_of, objective), best, 1e-9);
    }
  }
  EXPECT_GT(placed, 100);
}

TEST(OptimalTest, EqualsExhaustiveSearchWhereLayersAreAlike) { CompareWithExhaustive(true, 1); }
TEST(OptimalTest, EqualsExhaustiveSearchWhereLayersDiffer) { CompareWithExhaustive(false, 2); }

ModelTree Known(absl::string_view name) {
  const auto known = FindKnownModel(name);
  EXPECT_THAT(known, IsOk());
  return *BuildModelTree((*known)->config, name);
}

TEST(OptimalTest, NeverSlowerThanAcceleratesModes) {
  std::mt19937 random(3);
  const auto pick = [&random](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  const std::vector<ModelTree> trees = {
      Known("TinyLlama/TinyLlama-1.1B-Chat-v1.0"), Known("meta-llama/Llama-3.2-3B"),
      Known("google/gemma-2-2b"), Known("google/flan-t5-xl"), Known("mistralai/Mistral-7B-v0.1")};
  int compared = 0;
  int faster = 0;
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(round);
    const ModelTree& tree = trees[pick(0, static_cast<int>(trees.size()) - 1)];
    PlanWorkload workload;
    workload.format.dtype = pick(0, 2) == 0 ? DType::kF32 : DType::kF16;
    workload.format.quantization.load_in_4bit = pick(0, 2) == 0;
    workload.format.quantization.load_in_8bit =
        !workload.format.quantization.load_in_4bit && pick(0, 1) == 0;
    workload.format.quantization.llm_int8_enable_fp32_cpu_offload = true;
    workload.shape.context = 256 * pick(1, 16);
    workload.shape.batch = pick(1, 4);
    Hardware hardware;
    MaxMemory max_memory;
    const int gpus = pick(0, 3);
    for (int d = 0; d < gpus; ++d) {
      HardwareDevice device;
      device.memory_bytes = uint64_t{1'000'000} * pick(1200, 12000);
      device.bytes_per_s = 1e9 * pick(200, 4000);
      device.flops = 1e12 * pick(10, 900);
      device.int8_ops = 2 * device.flops;
      hardware.devices.push_back(device);
      max_memory.emplace_back(std::to_string(d), device.memory_bytes);
    }
    HardwareDevice cpu;
    cpu.kind = MemoryKind::kCpu;
    cpu.memory_bytes = uint64_t{1'000'000} * pick(4000, 40000);
    cpu.bytes_per_s = 1e9 * pick(20, 500);
    cpu.flops = 1e12;
    hardware.devices.push_back(cpu);
    max_memory.emplace_back("cpu", cpu.memory_bytes);
    NameDevices(&hardware.devices);

    const PlanCosts costs = ComputePlanCosts(
        tree, ComputeUnitWeights(tree, workload.format, workload.cpu_format), workload, hardware);
    const OptimalPlan optimal = FindOptimalPlan(costs, PlanObjective::kLatency);
    EXPECT_TRUE(optimal.exact);
    for (AccelerateMode mode :
         {AccelerateMode::kAuto, AccelerateMode::kBalancedLow0, AccelerateMode::kSequential}) {
      const double fraction = pick(60, 100) / 100.0;
      const auto map = InferDeviceMap(tree, workload.format, max_memory, mode, fraction);
      GANTRY_ASSERT_OK(map);
      const auto units = UnitsFromMap(tree, *map, hardware.devices);
      if (!units.ok()) continue;  // something went to the disk
      const Plan theirs = EvaluatePlan(costs, *units);
      if (!theirs.fits) continue;
      ASSERT_FALSE(optimal.device_of.empty());
      const Plan ours = EvaluatePlan(costs, optimal.device_of);
      ASSERT_TRUE(ours.fits);
      ASSERT_LE(ours.predicted.step_s, theirs.predicted.step_s * (1 + 1e-9));
      ++compared;
      faster += ours.predicted.step_s < theirs.predicted.step_s * 0.99;
    }
  }
  EXPECT_GT(compared, 500);
  EXPECT_GT(faster, 50);
}

Hardware MixedDevices(int count) {
  Hardware hardware;
  for (int d = 0; d < count; ++d) {
    HardwareDevice device;
    device.kind = d % 8 == 7 ? MemoryKind::kCpu : MemoryKind::kGpu;
    device.memory_bytes = uint64_t{1'000'000'000} * (8 + d % 13 * 5 + d / 13);
    device.bytes_per_s = 1e9 * (100 + 37 * d);
    device.flops = 1e12 * (10 + d);
    device.int8_ops = 2 * device.flops;
    hardware.devices.push_back(device);
  }
  NameDevices(&hardware.devices);
  return hardware;
}

TEST(OptimalTest, SixtyFourDifferentDevicesAndTheLargestModel) {
  const ModelTree tree = Known("meta-llama/Llama-3.1-405B");
  PlanWorkload workload;
  workload.format.dtype = DType::kBF16;
  workload.format.quantization.load_in_4bit = true;
  workload.shape.context = 4096;
  for (PlanObjective objective : {PlanObjective::kLatency, PlanObjective::kThroughput}) {
    const PlanCosts costs =
        ComputePlanCosts(tree, ComputeUnitWeights(tree, workload.format, workload.cpu_format),
                         workload, MixedDevices(64));
    const OptimalPlan found = FindOptimalPlan(costs, objective);
    EXPECT_TRUE(found.exact);
    ASSERT_FALSE(found.device_of.empty());
    EXPECT_TRUE(EvaluatePlan(costs, found.device_of).fits);
  }
}

TEST(OptimalTest, ManyDevicesAndLayersThatDifferStayBounded) {
  std::mt19937 random(5);
  PlanCosts costs = RandomCosts(&random, 1000, 1000, false);
  for (HardwareDevice& device : costs.devices) device.memory_bytes += 2000;
  const OptimalPlan found = FindOptimalPlan(costs, PlanObjective::kLatency);
  EXPECT_FALSE(found.exact);
  ASSERT_FALSE(found.device_of.empty());
  EXPECT_TRUE(EvaluatePlan(costs, found.device_of).fits);
}

TEST(OptimalTest, EquallyQuickPlacementsAreSpreadEvenly) {
  std::mt19937 random(7);
  PlanCosts costs = RandomCosts(&random, 8, 1, true);
  costs.weights[0].assign(10, 10);
  costs.kv[0].assign(10, 0);
  costs.tied_unit.assign(10, -1);
  costs.activations = costs.head_activations = {};
  costs.overhead = {0, 0};
  costs.decode = {std::vector<double>(10, 1.0)};
  costs.prefill = costs.decode;
  costs.devices.assign(2, HardwareDevice{});
  costs.devices[0].memory_bytes = costs.devices[1].memory_bytes = 80;
  costs.device_class = {0, 0};
  const OptimalPlan found = FindOptimalPlan(costs, PlanObjective::kLatency);
  EXPECT_EQ(std::count(found.device_of.begin(), found.device_of.end(), 0), 5);
}

TEST(OptimalTest, NothingUsableIsNoPlan) {
  std::mt19937 random(9);
  const PlanCosts costs = RandomCosts(&random, 3, 2, true);
  EXPECT_TRUE(FindOptimalPlan(costs, PlanObjective::kLatency, {false, false}).device_of.empty());
}

}  // namespace
}  // namespace gantry
