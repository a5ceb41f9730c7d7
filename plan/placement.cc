#include "plan/placement.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"

namespace gantry {
namespace {

// Halvings of the interval in which the fullest device's share is sought.
constexpr int kBisections = 40;

// Bytes of each module on a device, and of what a device needs once.
struct Costs {
  std::vector<uint64_t> weights;  // [modules]
  std::vector<uint64_t> kv;       // [modules]; 0 but for layers
  // lm_head's matrix is the embedding's: a device that holds both keeps it once.
  bool tied = false;
  uint64_t workspace = 0;       // without logits
  uint64_t head_workspace = 0;  // with them
};

Costs ComputeCosts(const ModelConfig& config, const std::vector<ModuleSpec>& modules,
                   const ServingShape& shape) {
  Costs costs;
  for (const ModuleSpec& module : modules) {
    costs.weights.push_back(ModuleWeightBytes(module, Scheme::kFp32));
    costs.kv.push_back(module.kind == ModuleKind::kLayer ? KvCacheBytes(config, shape) : 0);
  }
  costs.tied = config.tie_word_embeddings;
  costs.workspace = WorkspaceBytes(config, shape, false);
  costs.head_workspace = WorkspaceBytes(config, shape, true);
  return costs;
}

// Where each device's modules begin when every device is filled to `share` of its memory in order;
// starts[d] to starts[d + 1]. The last entry is short of the number of modules if they do not fit.
std::vector<int> Fill(const Costs& costs, const std::vector<DeviceSpec>& devices, double share) {
  const int num_modules = static_cast<int>(costs.weights.size());
  std::vector<int> starts = {0};
  int next = 0;
  for (const DeviceSpec& device : devices) {
    const double limit = share * static_cast<double>(device.memory_bytes);
    double used = static_cast<double>(costs.workspace);
    while (next < num_modules) {
      double cost = static_cast<double>(costs.weights[next]) + static_cast<double>(costs.kv[next]);
      if (next == num_modules - 1) cost += costs.head_workspace - costs.workspace;
      if (used + cost > limit) break;
      used += cost;
      ++next;
    }
    starts.push_back(next);
  }
  return starts;
}

Placement MakePlacement(const Costs& costs, const std::vector<DeviceSpec>& devices,
                        const std::vector<int>& device_of) {
  Placement placement;
  placement.ledgers.resize(devices.size());
  const int num_modules = static_cast<int>(device_of.size());
  for (int m = 0; m < num_modules; ++m) {
    if (m == 0 || device_of[m] != device_of[m - 1]) {
      placement.stages.push_back(StagePlan{device_of[m], m, m, Scheme::kFp32, 0});
    }
    StagePlan& stage = placement.stages.back();
    stage.end = m + 1;
    const bool shared = costs.tied && m == num_modules - 1 && device_of[m] == device_of[0];
    const uint64_t weights = shared ? 0 : costs.weights[m];
    stage.predicted_bytes += weights + costs.kv[m];
    DeviceLedger& ledger = placement.ledgers[device_of[m]];
    ledger.weights_bytes += weights;
    ledger.kv_cache_bytes += costs.kv[m];
    ledger.workspace_bytes = std::max(
        ledger.workspace_bytes, m == num_modules - 1 ? costs.head_workspace : costs.workspace);
  }
  for (size_t d = 0; d < devices.size(); ++d) {
    placement.ledgers[d].capacity_bytes = devices[d].memory_bytes;
  }
  return placement;
}

absl::Status DoesNotFit(const Costs& costs, const std::vector<DeviceSpec>& devices) {
  uint64_t weights = 0;
  uint64_t kv = 0;
  for (uint64_t bytes : costs.weights) weights += bytes;
  for (uint64_t bytes : costs.kv) kv += bytes;
  const uint64_t workspace = costs.workspace * (devices.size() - 1) + costs.head_workspace;
  uint64_t capacity = 0;
  for (const DeviceSpec& device : devices) capacity += device.memory_bytes;
  const uint64_t needed = weights + kv + workspace;
  std::string reason = needed > capacity
                           ? absl::StrCat(FormatBytes(needed - capacity), " are missing")
                           : "whole layers do not divide so that each worker has room for its own";
  return absl::ResourceExhaustedError(absl::StrCat(
      "the model does not fit: it needs ", FormatBytes(weights), " for weights in fp32, ",
      FormatBytes(kv), " for keys and values and ", FormatBytes(workspace), " of workspace; the ",
      devices.size(), " worker(s) offer ", FormatBytes(capacity), ": ", reason,
      ". Add a worker, raise a worker's --memory, or lower --context or --batch"));
}

// Index of the device that a device map means by `name`; -1 if there is none.
int FindDevice(const std::vector<DeviceSpec>& devices, absl::string_view name) {
  int cpus = 0;
  int gpus = 0;
  for (size_t d = 0; d < devices.size(); ++d) {
    if (devices[d].name == name) return static_cast<int>(d);
  }
  for (size_t d = 0; d < devices.size(); ++d) {
    const bool is_gpu = devices[d].device.compare(0, 4, "cuda") == 0;
    const std::string index = is_gpu ? absl::StrCat(gpus++) : absl::StrCat("cpu:", cpus++);
    if (index == name || (name == "cpu" && index == "cpu:0")) return static_cast<int>(d);
  }
  return -1;
}

// Whether `prefix` covers the module `name`, at a dot.
bool Covers(absl::string_view prefix, absl::string_view name) {
  if (prefix.empty() || prefix == name) return true;
  return name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix &&
         name[prefix.size()] == '.';
}

}  // namespace

absl::StatusOr<Placement> PlaceContiguous(const ModelConfig& config,
                                          const std::vector<ModuleSpec>& modules,
                                          const ServingShape& shape,
                                          const std::vector<DeviceSpec>& devices) {
  if (devices.empty())
    return absl::FailedPreconditionError("there is no worker to place layers on");
  const Costs costs = ComputeCosts(config, modules, shape);
  const int num_modules = static_cast<int>(modules.size());
  std::vector<int> starts = Fill(costs, devices, 1);
  if (starts.back() < num_modules) return DoesNotFit(costs, devices);
  double low = 0;
  double high = 1;
  for (int i = 0; i < kBisections; ++i) {
    const double share = (low + high) / 2;
    std::vector<int> tried = Fill(costs, devices, share);
    if (tried.back() < num_modules) {
      low = share;
    } else {
      high = share;
      starts = std::move(tried);
    }
  }
  std::vector<int> device_of(num_modules);
  for (size_t d = 0; d < devices.size(); ++d) {
    for (int m = starts[d]; m < starts[d + 1]; ++m) device_of[m] = static_cast<int>(d);
  }
  return MakePlacement(costs, devices, device_of);
}

absl::StatusOr<DeviceMap> ParseDeviceMap(const Json& json, absl::string_view origin) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        origin,
        ": expected a JSON object of module names and devices, such as {\"model.layers.0\": "
        "\"cpu\"}"));
  }
  DeviceMap map;
  for (const auto& [key, value] : json.items()) {
    if (value.is_string()) {
      map.emplace_back(key, value.get<std::string>());
    } else if (value.is_number_integer() && value >= 0) {
      map.emplace_back(key, value.dump());
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(origin, ": \"", key, "\": expected a device's name or number, found ",
                       DumpJson(value).substr(0, 80)));
    }
  }
  return map;
}

absl::StatusOr<Placement> PlaceByMap(const ModelConfig& config,
                                     const std::vector<ModuleSpec>& modules,
                                     const ServingShape& shape,
                                     const std::vector<DeviceSpec>& devices, const DeviceMap& map) {
  if (devices.empty())
    return absl::FailedPreconditionError("there is no worker to place layers on");
  // transformers' maps also name this module; its frequencies are computed wherever layers are.
  constexpr absl::string_view kRotary = "model.rotary_emb";
  for (const auto& [key, device] : map) {
    bool used = key == kRotary;
    for (const ModuleSpec& module : modules) {
      used = used || Covers(key, module.name);
      if (key != module.name && Covers(module.name, key)) {
        return absl::InvalidArgumentError(absl::StrCat("device map: \"", key, "\" lies within ",
                                                       module.name,
                                                       "; a layer goes to one device as a whole"));
      }
    }
    if (!used) {
      return absl::InvalidArgumentError(absl::StrCat(
          "device map: the model has no module \"", key, "\"; it has ", modules.front().name,
          ", model.layers.0 to model.layers.", config.num_layers - 1, ", model.norm and lm_head"));
    }
  }
  std::vector<int> device_of;
  for (const ModuleSpec& module : modules) {
    const std::pair<std::string, std::string>* best = nullptr;
    for (const auto& entry : map) {
      if (!Covers(entry.first, module.name)) continue;
      if (best == nullptr || entry.first.size() > best->first.size()) best = &entry;
    }
    if (best == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("device map: no device is given for ", module.name));
    }
    const int device = FindDevice(devices, best->second);
    if (device < 0) {
      std::vector<std::string> names;
      for (const DeviceSpec& spec : devices) names.push_back(spec.name);
      return absl::InvalidArgumentError(
          absl::StrCat("device map: \"", best->first, "\": there is no device \"", best->second,
                       "\"; the workers are ", absl::StrJoin(names, ", ")));
    }
    device_of.push_back(device);
  }
  const Costs costs = ComputeCosts(config, modules, shape);
  Placement placement = MakePlacement(costs, devices, device_of);
  for (size_t d = 0; d < devices.size(); ++d) {
    const DeviceLedger& ledger = placement.ledgers[d];
    if (ledger.total_bytes() <= ledger.capacity_bytes) continue;
    return absl::ResourceExhaustedError(absl::StrCat(
        "the device map does not fit: ", devices[d].name, " would hold ",
        FormatBytes(ledger.weights_bytes), " of weights, ", FormatBytes(ledger.kv_cache_bytes),
        " of keys and values and ", FormatBytes(ledger.workspace_bytes),
        " of workspace, and offers ", FormatBytes(ledger.capacity_bytes)));
  }
  return placement;
}

}  // namespace gantry
