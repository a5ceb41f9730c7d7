#ifndef GANTRY_PLAN_MODULE_SCHEMES_H_
#define GANTRY_PLAN_MODULE_SCHEMES_H_

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/packed.h"
#include "model/modules.h"
#include "plan/model_tree.h"
#include "plan/serving_format.h"

namespace gantry {

// How one module's matrices are stored on a device.
struct ModuleSchemes {
  Scheme rest = Scheme::kFp32;                                // of those that are not in `weights`
  std::vector<std::pair<std::string, TensorScheme>> weights;  // by tensor

  TensorScheme Of(absl::string_view tensor) const;
  // Of the largest matrix.
  Scheme Main(const ModuleSpec& module) const;
};

// Of all modules, on each kind of device.
struct ModelSchemes {
  ServingFormat format;
  std::array<std::vector<ModuleSchemes>, 2> modules;  // [MemoryKind][module]
  const std::vector<ModuleSchemes>& On(MemoryKind kind) const {
    return modules[static_cast<int>(kind)];
  }
};

// INVALID_ARGUMENT naming the tensors when the parts of one product (q, k and v; gate and up) would
// be stored in different schemes.
absl::StatusOr<ModelSchemes> MakeModelSchemes(const ModelTree& tree,
                                              const std::vector<ModuleSpec>& modules,
                                              const ServingFormat& format);

}  // namespace gantry

#endif  // GANTRY_PLAN_MODULE_SCHEMES_H_
