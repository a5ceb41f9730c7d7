#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/json.h"
#include "plan/accelerate/device_map.h"
#include "plan/accelerate/max_memory.h"
#include "plan/memory.h"
#include "plan/model_tree.h"
#include "plan/quantization.h"

// A config.json, whatever it says: a tree, its bytes and a device map, or an error. An object's
// "max_memory" and "quantization_config" are read too.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gantry;
  const absl::StatusOr<Json> json =
      ParseJson(absl::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!json.ok()) return 0;
  MaxMemory limits = {{"0", uint64_t{4} << 30}, {"cpu", uint64_t{8} << 30}};
  if (json->is_object()) {
    if (const Json* memory = FindMember(*json, "max_memory"); memory != nullptr) {
      absl::StatusOr<MaxMemory> parsed = ParseMaxMemory(*memory, "max_memory");
      if (parsed.ok()) limits = *std::move(parsed);
    }
  }
  const absl::StatusOr<ModelTree> tree = BuildModelTree(*json, "fuzz");
  // Small ones only: what a large one takes is the tests' matter.
  if (!tree.ok() || tree->num_layers * (1 + tree->num_experts) > 64) return 0;
  WeightFormat format;
  if (tree->quantization_config.has_value()) {
    absl::StatusOr<QuantizationOptions> options =
        ParseQuantizationOptions(*tree->quantization_config, "fuzz");
    if (options.ok()) format.quantization = *std::move(options);
  }
  const SchemeRules rules(*tree, format);
  const uint64_t bytes = ModelBytes(*tree, rules, MemoryKind::kGpu, 1);
  if (bytes < tree->parameters / 2 || LoadedBytes(*tree, rules) < bytes) __builtin_trap();
  const absl::StatusOr<DeviceMap> map =
      InferDeviceMap(*tree, format, limits, AccelerateMode::kBalancedLow0);
  if (!map.ok() || !CheckDeviceMap(*tree, *map).ok()) __builtin_trap();
  return 0;
}
