#ifndef GANTRY_KERNELS_CPU_CPU_BACKEND_H_
#define GANTRY_KERNELS_CPU_CPU_BACKEND_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/backend.h"

namespace gantry {

struct CpuOptions {
  // Threads that compute, the caller among them; 0: one for each core that the process may use.
  int threads = 0;
  // "avx512", "avx2" or "portable"; empty: the best that this CPU has.
  std::string isa;
};

// fp32 on the CPU. INVALID_ARGUMENT for an instruction set that this CPU lacks or nobody knows, and
// for a number of threads out of [0, 1024].
absl::StatusOr<std::unique_ptr<Backend>> MakeCpuBackend(const CpuOptions& options);

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_CPU_BACKEND_H_
