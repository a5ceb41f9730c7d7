#include "plan/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

// Seconds of a step, and of its slowest device.
struct StepTime {
  double total = 0;
  double slowest = 0;
};

StepTime DecodeStep(const PlanCosts& costs, const Plan& plan) {
  StepTime time;
  for (const DeviceLoad& load : plan.loads) {
    time.total += load.decode_s;
    time.slowest = std::max(time.slowest, load.decode_s);
  }
  time.total += (plan.num_stages + 1) * costs.decode_hop;
  return time;
}

PlanPrediction Predict(const PlanCosts& costs, const Plan& plan) {
  PlanPrediction predicted;
  const StepTime step = DecodeStep(costs, plan);
  const double batch = static_cast<double>(costs.batch);
  predicted.step_s = step.total;
  predicted.bottleneck_s = step.slowest;
  predicted.decode_tokens_per_s = batch / step.total;
  int64_t batches = plan.num_stages;
  for (const DeviceLoad& load : plan.loads) {
    if (load.kv_cache_bytes == 0) continue;
    const uint64_t more = load.free_bytes() / load.kv_cache_bytes;
    batches = std::min<int64_t>(batches, 1 + std::min<uint64_t>(more, plan.num_stages));
  }
  const double in_flight = static_cast<double>(batches);
  predicted.batches_in_flight = batches;
  predicted.throughput_tokens_per_s =
      in_flight * batch /
      std::max(step.total, in_flight * std::max(step.slowest, costs.decode_hop));
  double chunk = (plan.num_stages + 1) * costs.prefill_hop;
  double slowest = costs.prefill_hop;
  for (const DeviceLoad& load : plan.loads) {
    chunk += load.prefill_s;
    slowest = std::max(slowest, load.prefill_s);
  }
  const double chunks =
      static_cast<double>((costs.prompt_tokens + costs.chunk_tokens - 1) / costs.chunk_tokens);
  predicted.time_to_first_token_s = chunk + (chunks - 1) * slowest;
  predicted.prefill_tokens_per_s =
      static_cast<double>(costs.prompt_tokens) / predicted.time_to_first_token_s;
  return predicted;
}

// The device that a map's value means; -1 if there is none.
int DeviceByName(const std::vector<HardwareDevice>& devices, absl::string_view name) {
  for (size_t d = 0; d < devices.size(); ++d) {
    const HardwareDevice& device = devices[d];
    if (device.name == name || (device.kind == MemoryKind::kGpu &&
                                absl::StrCat("cuda:", device.name) == std::string(name))) {
      return static_cast<int>(d);
    }
    if (name == "cpu:0" && device.name == "cpu") return static_cast<int>(d);
  }
  return -1;
}

bool Covers(absl::string_view prefix, absl::string_view name) {
  return prefix.empty() || prefix == name ||
         (name.size() > prefix.size() && absl::StartsWith(name, prefix) &&
          name[prefix.size()] == '.');
}

}  // namespace

uint64_t WeightsTogether(const PlanCosts& costs, const std::vector<int>& units, int kind) {
  uint64_t bytes = 0;
  for (int u : units) {
    const int tied = costs.tied_unit[u];
    if (tied >= 0 && std::binary_search(units.begin(), units.end(), tied)) continue;
    bytes += costs.weights[kind][u];
  }
  return bytes;
}

Plan EvaluatePlan(const PlanCosts& costs, std::vector<int> device_of) {
  Plan plan;
  const size_t num_devices = costs.devices.size();
  plan.loads.resize(num_devices);
  std::vector<std::vector<int>> units(num_devices);
  for (int u = 0; u < costs.num_units; ++u) {
    const int d = device_of[u];
    DeviceLoad& load = plan.loads[d];
    units[d].push_back(u);
    load.used = true;
    load.kv_cache_bytes += costs.kv[costs.kind_of(d)][u];
    const int kind = costs.kind_of(d);
    load.activations_bytes =
        std::max(load.activations_bytes,
                 costs.computes_logits[u] ? costs.head_activations[kind] : costs.activations[kind]);
    load.decode_s += costs.decode_of(d)[u];
    load.prefill_s += costs.prefill_of(d)[u];
    if (u == 0 || d != device_of[u - 1]) ++plan.num_stages;
  }
  plan.fits = true;
  for (size_t d = 0; d < num_devices; ++d) {
    DeviceLoad& load = plan.loads[d];
    load.capacity_bytes = costs.devices[d].memory_bytes;
    if (!load.used) continue;
    load.weights_bytes = WeightsTogether(costs, units[d], costs.kind_of(d));
    load.overhead_bytes = costs.overhead[costs.kind_of(d)];
    plan.fits = plan.fits && load.fits();
  }
  plan.predicted = Predict(costs, plan);
  plan.device_of = std::move(device_of);
  return plan;
}

absl::StatusOr<std::vector<int>> UnitsFromMap(const ModelTree& tree, const DeviceMap& map,
                                              const std::vector<HardwareDevice>& devices) {
  std::map<std::string, int> device_of_key;
  for (const auto& [key, name] : map) {
    const int device = DeviceByName(devices, name);
    if (device < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("device map: \"", key, "\": there is no device \"", name, "\"; there are ",
                       devices.size(), ", from \"", devices.front().name, "\" to \"",
                       devices.back().name, "\""));
    }
    device_of_key[key] = device;
  }
  std::vector<int> device_of;
  for (const PlanUnit& unit : tree.units) {
    int device = -1;
    for (std::string prefix = unit.name;;) {
      const auto found = device_of_key.find(prefix);
      if (found != device_of_key.end()) {
        device = found->second;
        break;
      }
      if (prefix.empty()) break;
      const size_t dot = prefix.rfind('.');
      prefix = dot == std::string::npos ? "" : prefix.substr(0, dot);
    }
    if (device < 0) {
      // Opened by the map: the unit counts to the device of its largest part.
      uint64_t most = 0;
      for (const auto& [key, where] : device_of_key) {
        if (!Covers(unit.name, key)) continue;
        const auto part = FindModule(tree, key);
        if (part == nullptr || (device >= 0 && part->parameters <= most)) continue;
        most = part->parameters;
        device = where;
      }
    }
    if (device < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("device map: no device is given for ", unit.name));
    }
    device_of.push_back(device);
  }
  // Frequencies are computed wherever layers are, whatever the map says.
  for (int u = static_cast<int>(tree.units.size()) - 2; u >= 0; --u) {
    if (tree.units[u].kind == UnitKind::kRotary) device_of[u] = device_of[u + 1];
  }
  return device_of;
}

DeviceMap MapFromUnits(const ModelTree& tree, const std::vector<int>& device_of,
                       const std::vector<HardwareDevice>& devices) {
  DeviceMap map;
  std::map<std::string, std::string> known;
  for (size_t u = 0; u < tree.units.size(); ++u) {
    map.emplace_back(tree.units[u].name, devices[device_of[u]].name);
    known.emplace(map.back());
  }
  for (const std::vector<std::string>& group : tree.tied) {
    const std::string owner = group[0].substr(0, group[0].rfind('.'));
    const auto found = known.find(owner);
    if (found == known.end()) continue;
    const std::string device = found->second;
    for (const std::string& tensor : group) {
      const std::string module = tensor.substr(0, tensor.rfind('.'));
      if (known.emplace(module, device).second) map.emplace_back(module, device);
    }
  }
  return map;
}

}  // namespace gantry
