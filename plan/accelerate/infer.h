#ifndef GANTRY_PLAN_ACCELERATE_INFER_H_
#define GANTRY_PLAN_ACCELERATE_INFER_H_

#include "plan/accelerate/max_memory.h"
#include "plan/accelerate/module_sizes.h"
#include "plan/model_tree.h"
#include "plan/placement.h"

namespace gantry {

// infer_auto_device_map: walks the modules as they are registered and fills one device after the
// other, never going back. The first GPU and the CPU keep room for the largest module that is still
// to come; a module that does not fit is opened into its children unless it is a layer; modules
// with tied tensors go together. What fits nowhere goes to "disk".
DeviceMap InferRawDeviceMap(const ModelTree& tree, const ModuleSizes& sizes,
                            const MaxMemory& max_memory);

// clean_device_map: modules whose parts all lie on one device get one entry.
DeviceMap CleanDeviceMap(const DeviceMap& map);

}  // namespace gantry

#endif  // GANTRY_PLAN_ACCELERATE_INFER_H_
