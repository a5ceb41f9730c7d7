#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "plan/accelerate/device_map.h"
#include "plan/accelerate/module_sizes.h"

namespace gantry {
namespace {

bool IsGpu(const std::pair<std::string, uint64_t>& entry) {
  return entry.first.find_first_not_of("0123456789") == std::string::npos && entry.second > 0;
}

// Of the first module of each class that must not be split, the size of the largest.
uint64_t LargestBlock(const ModelTree& tree, const ModuleSizes& sizes) {
  uint64_t largest = 0;
  for (const std::string& class_name : tree.no_split_classes) {
    for (const PlanUnit& unit : tree.units) {
      if (unit.module->class_name != class_name) continue;
      largest = std::max(largest, sizes.Of(unit.name));
      break;
    }
  }
  return largest;
}

// The mean size of the modules that hold tensors and no other modules.
uint64_t MeanLeaf(const ModuleSizes& sizes) {
  const auto parent = [](const std::string& name) {
    const size_t dot = name.rfind('.');
    return dot == std::string::npos ? std::string() : name.substr(0, dot);
  };
  std::unordered_set<std::string> with_tensors;
  std::unordered_set<std::string> has_children;
  for (const std::string& name : sizes.names) has_children.insert(parent(name));
  for (const std::string& name : sizes.names) {
    if (has_children.count(name) == 0) with_tensors.insert(parent(name));
  }
  std::unordered_set<std::string> has_modules;
  for (const std::string& name : sizes.names) {
    if (has_children.count(name) > 0 && !name.empty()) has_modules.insert(parent(name));
  }
  uint64_t sum = 0;
  uint64_t count = 0;
  for (const std::string& name : with_tensors) {
    if (name.empty() || has_modules.count(name) > 0) continue;
    sum += sizes.Of(name);
    ++count;
  }
  return sum / std::max<uint64_t>(1, count);
}

uint64_t Limit(const MaxMemory& limits, const std::string& device) {
  for (const auto& [name, bytes] : limits) {
    if (name == device) return bytes;
  }
  return 0;
}

}  // namespace

MaxMemory BalancedMemory(const ModelTree& tree, const WeightFormat& format, MaxMemory max_memory,
                         bool low_zero, bool user_set) {
  std::vector<std::pair<std::string, uint64_t>*> gpus;
  for (auto& entry : max_memory) {
    if (IsGpu(entry)) gpus.push_back(&entry);
  }
  if (gpus.empty()) return max_memory;
  if (gpus.size() == 1) {
    low_zero = false;
    if (!user_set) gpus[0]->second = static_cast<uint64_t>(gpus[0]->second * 0.9);
  }
  const ModuleSizes sizes = ComputeModuleSizes(tree, format);
  const uint64_t total = sizes.Of("");
  const double buffer =
      1.25 * static_cast<double>(std::max(LargestBlock(tree, sizes), MeanLeaf(sizes)));
  const uint64_t per_gpu =
      total / (low_zero ? gpus.size() - 1 : gpus.size()) + static_cast<uint64_t>(buffer);
  // The last GPU keeps all it has, in case the buffer was too small.
  for (size_t i = 0; i + 1 < gpus.size(); ++i) {
    if (low_zero && gpus[i]->first == "0") continue;
    gpus[i]->second = std::min(per_gpu, gpus[i]->second);
  }
  if (low_zero && max_memory[0].first == "0") {
    uint64_t others = 0;
    for (size_t i = 1; i < gpus.size(); ++i) others += Limit(max_memory, std::to_string(i));
    max_memory[0].second = std::min(total > others ? total - others : 0, max_memory[0].second);
  }
  return max_memory;
}

}  // namespace gantry
