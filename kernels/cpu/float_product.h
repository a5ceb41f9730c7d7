#ifndef GANTRY_KERNELS_CPU_FLOAT_PRODUCT_H_
#define GANTRY_KERNELS_CPU_FLOAT_PRODUCT_H_

#include "absl/status/status.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/panel_matrix.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/thread_pool.h"

namespace gantry {

// Products of a step's tokens with weights that are multiplied as floats, a panel at a time.
// Weights in few bits are expanded a block of the depth at a time, into the first cache.
class FloatProduct {
 public:
  // Both outlive it.
  FloatProduct(const Isa* isa, ThreadPool* pool) : isa_(*isa), pool_(*pool) {}
  // Takes the tokens in, normalised if asked for. `args` outlives the calls of Multiply.
  absl::Status Prepare(const LinearArgs& args);
  // c[tokens, 32] = the panel's products with all tokens, bias added.
  void Multiply(int64_t panel, int thread, float* c);

 private:
  void PackTokens();
  void AddBias(int64_t panel, float* c) const;
  // Tiles are as equal as can be: a row alone in the last one would take as long as many.
  int64_t TileBegin(int64_t tile) const { return args_->tokens * tile / tiles_; }
  const PanelMatrix& weight() const { return static_cast<const PanelMatrix&>(*args_->weight); }

  const Isa& isa_;
  ThreadPool& pool_;
  Scratch scratch_;
  const LinearArgs* args_ = nullptr;
  int64_t tiles_ = 0;            // of tokens
  float* expanded_ = nullptr;    // [threads, kDepth, 32]
  float* tokens_ = nullptr;      // [tiles][cols, rows of the tile]
  float* normalised_ = nullptr;  // [threads, cols]
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_FLOAT_PRODUCT_H_
