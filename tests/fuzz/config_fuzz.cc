// A config.json. What the parser accepts must be safe to compute with: the modules are listed and
// the rotary frequencies computed, and the sizes are checked as later code relies on them.

#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "model/config.h"
#include "model/modules.h"
#include "model/rope.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = gantry::ParseJson(text, "fuzz");
  if (!json.ok()) return 0;
  const auto config = gantry::ParseModelConfig(*json, "fuzz");
  if (!config.ok()) return 0;
  uint64_t elements = 0;
  for (const gantry::ModuleSpec& module : gantry::ListModules(*config)) {
    for (const gantry::TensorSpec& tensor : gantry::ModuleTensors(module)) {
      uint64_t product = 1;
      for (const int64_t dim : tensor.shape) {
        if (dim <= 0 || !gantry::CheckedMultiply(product, dim, &product)) std::abort();
      }
      if (!gantry::CheckedAdd(elements, product, &elements)) std::abort();
    }
  }
  if (elements > (uint64_t{1} << 61)) std::abort();
  if (static_cast<int64_t>(config->sliding_window.size()) != config->num_layers) std::abort();
  for (const int64_t length : {int64_t{1}, int64_t{5000}, int64_t{1} << 30}) {
    const gantry::RopeFrequencies rope = gantry::ComputeRope(*config, length);
    if (rope.inv_freq.empty()) std::abort();
    for (const float value : rope.inv_freq) {
      if (!(value >= 0)) std::abort();
    }
    if (!(rope.scale > 0) || gantry::RopeValidUpTo(*config, length) < 1) std::abort();
  }
  return 0;
}
