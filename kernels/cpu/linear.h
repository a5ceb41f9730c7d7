#ifndef GANTRY_KERNELS_CPU_LINEAR_H_
#define GANTRY_KERNELS_CPU_LINEAR_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "kernels/backend.h"
#include "kernels/cpu/float_product.h"
#include "kernels/cpu/int8_product.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/thread_pool.h"

namespace gantry {

// Backend::Linear on the CPU's matrices. Requires arguments that CheckLinear lets pass.
class CpuLinear {
 public:
  // Both outlive it.
  CpuLinear(const Isa* isa, ThreadPool* pool)
      : isa_(*isa), pool_(*pool), floats_(isa, pool), int8_(isa, pool) {}
  absl::Status Run(const LinearArgs& args);

 private:
  // c[tokens, 32] = the products of a panel of the weight with all tokens.
  using Multiply = absl::FunctionRef<void(int64_t panel, int thread, float* c)>;
  absl::Status RunPanels(const LinearArgs& args, Multiply multiply);
  // Columns [panel * 32, +32) of the output for all tokens. `sums` is the thread's scratch.
  void RunPanel(const LinearArgs& args, int64_t panel, int thread, Multiply multiply, float* sums);

  const Isa& isa_;
  ThreadPool& pool_;
  FloatProduct floats_;
  Int8Product int8_;
  Scratch scratch_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_LINEAR_H_
