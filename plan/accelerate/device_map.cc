#include "plan/accelerate/device_map.h"

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "plan/accelerate/infer.h"

namespace gantry {
namespace {

constexpr size_t kMaxNamed = 8;

// Whether one of `keys` is the tensor or a module that holds it.
bool IsCovered(const std::unordered_set<std::string>& keys, const std::string& tensor) {
  if (keys.count("") > 0 || keys.count(tensor) > 0) return true;
  for (size_t dot = tensor.rfind('.'); dot != std::string::npos && dot > 0;
       dot = tensor.rfind('.', dot - 1)) {
    if (keys.count(tensor.substr(0, dot)) > 0) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<AccelerateMode> ParseAccelerateMode(absl::string_view name) {
  if (name == "auto") return AccelerateMode::kAuto;
  if (name == "balanced") return AccelerateMode::kBalanced;
  if (name == "balanced_low_0") return AccelerateMode::kBalancedLow0;
  if (name == "sequential") return AccelerateMode::kSequential;
  return absl::InvalidArgumentError(absl::StrCat(
      "device_map: expected auto, balanced, balanced_low_0 or sequential, found \"", name, "\""));
}

absl::StatusOr<DeviceMap> InferDeviceMap(const ModelTree& tree, const WeightFormat& format,
                                         const MaxMemory& max_memory, AccelerateMode mode,
                                         double memory_fraction) {
  if (!(memory_fraction > 0 && memory_fraction <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "memory_fraction: expected a number above 0 and at most 1, found ", memory_fraction));
  }
  MaxMemory limits = max_memory;
  if (mode != AccelerateMode::kSequential) {
    limits = BalancedMemory(tree, format, std::move(limits), mode == AccelerateMode::kBalancedLow0);
  }
  if (memory_fraction < 1) {
    for (auto& entry : limits) {
      entry.second = static_cast<uint64_t>(static_cast<double>(entry.second) * memory_fraction);
    }
  }
  return CleanDeviceMap(InferRawDeviceMap(tree, ComputeModuleSizes(tree, format), limits));
}

absl::Status CheckDeviceMap(const ModelTree& tree, const DeviceMap& map) {
  std::unordered_set<std::string> keys;
  for (const auto& entry : map) keys.insert(entry.first);
  std::vector<std::string> missing;
  size_t count = 0;
  ForEachTensor(*tree.root, "",
                [&](const std::string&, const TreeModule&, const std::string& name,
                    const TreeTensor& tensor) {
                  if (tensor.is_buffer) return;
                  if (IsCovered(keys, name)) return;
                  if (++count <= kMaxNamed) missing.push_back(name);
                });
  if (count == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "The device_map provided does not give any device for the following parameters: ",
      absl::StrJoin(missing, ", "),
      count > kMaxNamed ? absl::StrCat(" and ", count - kMaxNamed, " more") : ""));
}

absl::Status CheckOffload(const DeviceMap& map, const QuantizationOptions& options) {
  if (!options.quantized() || options.llm_int8_enable_fp32_cpu_offload) return absl::OkStatus();
  bool off_gpu = false;
  bool only_cpu = true;
  for (const auto& [module, device] : map) {
    const bool is_cpu = device == "cpu" || absl::StartsWith(device, "cpu:");
    off_gpu = off_gpu || is_cpu || device == "disk";
    only_cpu = only_cpu && is_cpu;
  }
  if (only_cpu || !off_gpu) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "Some modules are dispatched on the CPU or the disk. Make sure you have enough GPU RAM to "
      "fit the quantized model. If you want to dispatch the model on the CPU or the disk while "
      "keeping these modules in 32-bit, you need to set `llm_int8_enable_fp32_cpu_offload=True` "
      "and pass a custom `device_map` to `from_pretrained`.");
}

}  // namespace gantry
