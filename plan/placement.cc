#include "plan/placement.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"

namespace gantry {
namespace {

// Halvings of the interval in which the fullest device's share is sought.
constexpr int kBisections = 40;

// Where each device's modules begin when the GPUs are filled to `gpu_share` of their memory, in
// order, and the CPUs then to `cpu_share`: [devices] in the order of `order`, and the end, which is
// short of the number of modules if they do not fit.
std::vector<int> Fill(const PlacementCosts& costs, const std::vector<DeviceSpec>& devices,
                      const std::vector<int>& order, double gpu_share, double cpu_share) {
  const int num_modules = static_cast<int>(costs.on_kind[0].weights.size());
  std::vector<int> starts = {0};
  int next = 0;
  for (const int d : order) {
    const MemoryKind kind = devices[d].kind();
    const PlacementCosts::OnKind& on = costs.On(kind);
    const double share = kind == MemoryKind::kGpu ? gpu_share : cpu_share;
    const double limit = share * static_cast<double>(devices[d].memory_bytes);
    double used = static_cast<double>(on.workspace);
    while (next < num_modules) {
      double cost = static_cast<double>(on.weights[next]) + static_cast<double>(on.kv[next]);
      if (next == num_modules - 1) cost += on.head_workspace - on.workspace;
      if (used + cost > limit) break;
      used += cost;
      ++next;
    }
    starts.push_back(next);
  }
  return starts;
}

Placement MakePlacement(const PlacementCosts& costs, const std::vector<DeviceSpec>& devices,
                        const std::vector<int>& device_of) {
  Placement placement;
  placement.ledgers.resize(devices.size());
  const int num_modules = static_cast<int>(device_of.size());
  uint64_t largest = 0;  // module of the stage, whose scheme it shows
  for (int m = 0; m < num_modules; ++m) {
    const PlacementCosts::OnKind& on = costs.On(devices[device_of[m]].kind());
    if (m == 0 || device_of[m] != device_of[m - 1]) {
      placement.stages.push_back(StagePlan{device_of[m], m, m, on.schemes[m], 0});
      largest = 0;
    }
    StagePlan& stage = placement.stages.back();
    stage.end = m + 1;
    const bool shared = on.tied && m == num_modules - 1 && device_of[m] == device_of[0];
    const uint64_t weights = shared ? 0 : on.weights[m];
    // Layers before embeddings: they are what is computed.
    const bool is_layer = on.kv[m] > 0;
    if (is_layer && largest < weights) {
      largest = weights;
      stage.scheme = on.schemes[m];
    }
    stage.predicted_bytes += weights + on.kv[m];
    DeviceLedger& ledger = placement.ledgers[device_of[m]];
    ledger.weights_bytes += weights;
    ledger.kv_cache_bytes += on.kv[m];
    ledger.workspace_bytes =
        std::max(ledger.workspace_bytes, m == num_modules - 1 ? on.head_workspace : on.workspace);
  }
  for (size_t d = 0; d < devices.size(); ++d) {
    placement.ledgers[d].capacity_bytes = devices[d].memory_bytes;
  }
  return placement;
}

bool HasKind(const std::vector<DeviceSpec>& devices, MemoryKind kind) {
  return std::any_of(devices.begin(), devices.end(),
                     [kind](const DeviceSpec& device) { return device.kind() == kind; });
}

constexpr absl::string_view kMayNotOffload =
    "Make sure you have enough GPU memory to fit the quantised model. If you want to place it on "
    "CPUs while keeping these modules in 32-bit, you need to set "
    "--llm_int8_enable_fp32_cpu_offload; --offload_dtype says what else CPUs may hold";

absl::Status DoesNotFit(const PlacementCosts& costs, const std::vector<DeviceSpec>& devices) {
  // As the first device would hold it.
  const PlacementCosts::OnKind& on = costs.On(devices.front().kind());
  uint64_t weights = 0;
  uint64_t kv = 0;
  for (uint64_t bytes : on.weights) weights += bytes;
  for (uint64_t bytes : on.kv) kv += bytes;
  uint64_t workspace = on.head_workspace;
  uint64_t capacity = 0;
  for (const DeviceSpec& device : devices) {
    capacity += device.memory_bytes;
    workspace += costs.On(device.kind()).workspace;
  }
  workspace -= on.workspace;
  const uint64_t needed = weights + kv + workspace;
  std::string reason = needed > capacity
                           ? absl::StrCat(FormatBytes(needed - capacity), " are missing")
                           : "whole layers do not divide so that each worker has room for its own";
  return absl::ResourceExhaustedError(absl::StrCat(
      "the model does not fit: it needs ", FormatBytes(weights), " for weights in ",
      std::string(SchemeName(on.schemes[on.schemes.size() / 2])), ", ", FormatBytes(kv),
      " for keys and values and ", FormatBytes(workspace), " of workspace; the ", devices.size(),
      " worker(s) offer ", FormatBytes(capacity), ": ", reason,
      ". Add a worker, raise a worker's --memory, or lower --context or --batch"));
}

// The least share that fits, with the starts that it gives; `fill` is asked for the starts of one.
template <typename FillAt>
std::vector<int> FillEvenly(const FillAt& fill, int num_modules, std::vector<int> starts) {
  double low = 0;
  double high = 1;
  for (int i = 0; i < kBisections; ++i) {
    const double share = (low + high) / 2;
    std::vector<int> tried = fill(share);
    if (tried.back() < num_modules) {
      low = share;
    } else {
      high = share;
      starts = std::move(tried);
    }
  }
  return starts;
}

// Index of the device that a device map means by `name`; -1 if there is none.
int FindDevice(const std::vector<DeviceSpec>& devices, absl::string_view name) {
  int cpus = 0;
  int gpus = 0;
  int nth = -1;
  std::vector<int> of_number;  // GPUs whose own number it is
  for (size_t d = 0; d < devices.size(); ++d) {
    if (devices[d].name == name) return static_cast<int>(d);
  }
  const std::string gpu =
      absl::StartsWith(name, "cuda:") ? std::string(name) : absl::StrCat("cuda:", name);
  for (size_t d = 0; d < devices.size(); ++d) {
    const bool is_gpu = devices[d].kind() == MemoryKind::kGpu;
    const std::string index = is_gpu ? absl::StrCat("cuda:", gpus++) : absl::StrCat("cpu:", cpus++);
    if (is_gpu && devices[d].device == gpu) of_number.push_back(static_cast<int>(d));
    const bool named = is_gpu ? index == gpu : index == name || (name == "cpu" && cpus == 1);
    if (named && nth < 0) nth = static_cast<int>(d);
  }
  return of_number.size() == 1 ? of_number[0] : nth;
}

// Whether `prefix` covers the module `name`, at a dot.
bool Covers(absl::string_view prefix, absl::string_view name) {
  if (prefix.empty() || prefix == name) return true;
  return name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix &&
         name[prefix.size()] == '.';
}

}  // namespace

MemoryKind KindOfDevice(absl::string_view device) {
  return absl::StartsWith(device, "cuda") ? MemoryKind::kGpu : MemoryKind::kCpu;
}

MemoryKind DeviceSpec::kind() const { return KindOfDevice(device); }

absl::StatusOr<Placement> PlaceContiguous(const PlacementCosts& costs,
                                          const std::vector<DeviceSpec>& devices) {
  if (devices.empty())
    return absl::FailedPreconditionError("there is no worker to place layers on");
  const int num_modules = static_cast<int>(costs.on_kind[0].weights.size());
  std::vector<int> order;
  for (const MemoryKind kind : {MemoryKind::kGpu, MemoryKind::kCpu}) {
    for (size_t d = 0; d < devices.size(); ++d) {
      if (devices[d].kind() == kind) order.push_back(static_cast<int>(d));
    }
  }
  const auto on_gpus = [&](double share) { return Fill(costs, devices, order, share, 0); };
  const auto on_both = [&](double share) { return Fill(costs, devices, order, 1, share); };
  std::vector<int> starts = on_gpus(1);
  if (starts.back() == num_modules) {
    starts = FillEvenly(on_gpus, num_modules, std::move(starts));
  } else {
    starts = on_both(1);
    if (starts.back() < num_modules) return DoesNotFit(costs, devices);
    if (!costs.may_offload && HasKind(devices, MemoryKind::kGpu)) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the model does not fit into the GPUs and some modules would go to CPUs. ",
                       kMayNotOffload));
    }
    starts = FillEvenly(on_both, num_modules, std::move(starts));
  }
  std::vector<int> device_of(num_modules);
  for (size_t i = 0; i < order.size(); ++i) {
    for (int m = starts[i]; m < starts[i + 1]; ++m) device_of[m] = order[i];
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

absl::StatusOr<Placement> PlaceByMap(const std::vector<ModuleSpec>& modules,
                                     const PlacementCosts& costs,
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
          ", model.layers.0 to ", modules[modules.size() - 3].name, ", model.norm and lm_head"));
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
  const auto on_cpu = std::find_if(device_of.begin(), device_of.end(), [&devices](int d) {
    return devices[d].kind() == MemoryKind::kCpu;
  });
  const bool on_gpu = std::any_of(device_of.begin(), device_of.end(), [&devices](int d) {
    return devices[d].kind() == MemoryKind::kGpu;
  });
  if (on_gpu && on_cpu != device_of.end() && !costs.may_offload) {
    return absl::InvalidArgumentError(
        absl::StrCat("device map: some modules are dispatched on the CPU: ",
                     modules[on_cpu - device_of.begin()].name, " on ", devices[*on_cpu].name, ". ",
                     kMayNotOffload));
  }
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
