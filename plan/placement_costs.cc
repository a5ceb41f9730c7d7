#include "plan/placement_costs.h"

namespace gantry {

PlacementCosts ComputePlacementCosts(const ModelConfig& config,
                                     const std::vector<ModuleSpec>& modules,
                                     const ModelSchemes& schemes, const ServingShape& shape) {
  PlacementCosts costs;
  costs.may_offload = schemes.format.MayOffload();
  for (const MemoryKind kind : {MemoryKind::kGpu, MemoryKind::kCpu}) {
    PlacementCosts::OnKind& on = costs.on_kind[static_cast<int>(kind)];
    const std::vector<ModuleSchemes>& held = schemes.On(kind);
    const uint64_t kv = KvCacheBytes(config, shape, schemes.format.KvDType(kind));
    for (size_t m = 0; m < modules.size(); ++m) {
      on.weights.push_back(ModuleWeightBytes(modules[m], held[m]));
      on.kv.push_back(modules[m].kind == ModuleKind::kLayer ? kv : 0);
      on.schemes.push_back(held[m].Main(modules[m]));
    }
    on.tied = config.tie_word_embeddings && on.schemes.front() == on.schemes.back();
    const bool gpu = kind == MemoryKind::kGpu;
    const WeightFormat& format = schemes.format.weights;
    on.workspace = gpu ? GpuWorkspaceBytes(config, shape, format, false)
                       : WorkspaceBytes(config, shape, false);
    on.head_workspace =
        gpu ? GpuWorkspaceBytes(config, shape, format, true) : WorkspaceBytes(config, shape, true);
  }
  return costs;
}

}  // namespace gantry
