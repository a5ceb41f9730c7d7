#ifndef GANTRY_KERNELS_CPU_ISA_H_
#define GANTRY_KERNELS_CPU_ISA_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kernels/cpu/isa_kernels.h"

namespace gantry {

// "avx512", "avx2" or "portable"; empty: the best that this CPU has. INVALID_ARGUMENT for one that
// it lacks or nobody knows.
absl::StatusOr<const Isa*> ChooseIsa(absl::string_view name);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_ISA_H_
