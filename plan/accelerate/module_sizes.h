#ifndef GANTRY_PLAN_ACCELERATE_MODULE_SIZES_H_
#define GANTRY_PLAN_ACCELERATE_MODULE_SIZES_H_

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/model_tree.h"
#include "plan/quantization.h"

namespace gantry {

// Bytes of each module and each tensor, by full name, as accelerate's compute_module_sizes counts
// them: no scales, no rounding; a tied tensor under the first of its names only.
struct ModuleSizes {
  std::unordered_map<std::string, uint64_t> bytes;  // "" is the model; halves of bytes rounded down
  std::vector<std::string> names;                   // in the order in which they were first seen
  uint64_t Of(const std::string& name) const;       // 0 for what is not there
};

// Weights that are quantised count 1 byte (int8) or half a byte (4-bit); everything else its size
// in `format.dtype`, or 4 bytes where the family keeps it in fp32.
ModuleSizes ComputeModuleSizes(const ModelTree& tree, const WeightFormat& format);

}  // namespace gantry

#endif  // GANTRY_PLAN_ACCELERATE_MODULE_SIZES_H_
