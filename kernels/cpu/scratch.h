#ifndef GANTRY_KERNELS_CPU_SCRATCH_H_
#define GANTRY_KERNELS_CPU_SCRATCH_H_

#include <utility>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "kernels/host_memory.h"

namespace gantry {

// Memory that an op needs while it runs, kept for the next one. It only grows.
class Scratch {
 public:
  // At least `count` floats whose values mean nothing.
  absl::StatusOr<float*> Reserve(size_t count) {
    if (count * sizeof(float) > memory_.bytes()) {
      memory_ = HostMemory();
      GANTRY_ASSIGN_OR_RETURN(memory_, HostMemory::Allocate(count * sizeof(float)));
    }
    return memory_.floats();
  }

 private:
  HostMemory memory_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_SCRATCH_H_
