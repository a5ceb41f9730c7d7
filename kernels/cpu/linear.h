#ifndef GANTRY_KERNELS_CPU_LINEAR_H_
#define GANTRY_KERNELS_CPU_LINEAR_H_

#include "absl/status/status.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/thread_pool.h"

namespace gantry {

// Backend::Linear on packed fp32 weights. Requires arguments that CheckLinear lets pass.
class CpuLinear {
 public:
  // Both outlive it.
  CpuLinear(const Isa* isa, ThreadPool* pool) : isa_(*isa), pool_(*pool) {}
  absl::Status Run(const LinearArgs& args);

 private:
  struct Job;
  // The tokens, normalised if asked for, as tiles of [cols, rows of the tile].
  void PackTokens(const Job& job);
  // Columns [panel * 32, +32) of the output for all tokens. `sums` is the thread's scratch.
  void RunPanel(const Job& job, int64_t panel, float* sums);

  const Isa& isa_;
  ThreadPool& pool_;
  Scratch scratch_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_LINEAR_H_
