#ifndef GANTRY_PLAN_PLACEMENT_COSTS_H_
#define GANTRY_PLAN_PLACEMENT_COSTS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "model/config.h"
#include "model/modules.h"
#include "plan/memory.h"
#include "plan/module_schemes.h"

namespace gantry {

// Bytes that modules take on each kind of device.
struct PlacementCosts {
  struct OnKind {
    std::vector<uint64_t> weights;  // [modules]
    std::vector<uint64_t> kv;       // [modules]; 0 but for layers
    std::vector<Scheme> schemes;    // [modules]: of the largest matrix
    // lm_head's matrix is the embedding's: a device that holds both keeps it once.
    bool tied = false;
    uint64_t workspace = 0;       // of a device, once; without logits
    uint64_t head_workspace = 0;  // with them
  };
  std::array<OnKind, 2> on_kind;  // [MemoryKind]
  bool may_offload = true;        // CPUs may hold modules beside GPUs
  const OnKind& On(MemoryKind kind) const { return on_kind[static_cast<int>(kind)]; }
};
PlacementCosts ComputePlacementCosts(const ModelConfig& config,
                                     const std::vector<ModuleSpec>& modules,
                                     const ModelSchemes& schemes, const ServingShape& shape);

}  // namespace gantry

#endif  // GANTRY_PLAN_PLACEMENT_COSTS_H_
