#ifndef GANTRY_KERNELS_CPU_ATTENTION_H_
#define GANTRY_KERNELS_CPU_ATTENTION_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/kv_blocks.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/thread_pool.h"

namespace gantry {

// cos and sin of a row of the step, each [half].
struct Rotation {
  int64_t half = 0;
  const float* cosines = nullptr;
  const float* sines = nullptr;
};

// Backend::Attention on KvBlocks. Scores of a tile of queries against all their keys are kept, so
// softmax needs one pass and every sum runs over keys in order of position, block by block: neither
// chunks nor the other queries of a tile show in the result.
class CpuAttention {
 public:
  using RotationOf =
      absl::FunctionRef<Rotation(const StepLayout::Slice& slice, int64_t row_in_slice)>;
  // Both outlive it.
  CpuAttention(const Isa* isa, ThreadPool* pool) : isa_(*isa), pool_(*pool) {}
  // Requires arguments that HostBackend::CheckAttentionStep lets pass.
  absl::Status Run(const AttentionArgs& args, const StepLayout& layout, RotationOf rotation);

 private:
  // Some rows of one slice and key-value head. A row is a query head of a token; rows that share a
  // token follow each other.
  struct Tile {
    const StepLayout::Slice* slice;
    int64_t kv_head;
    int64_t first_row;
    int64_t rows;
  };
  struct Sizes;
  void RotateAndStore(const AttentionArgs& args, const StepLayout& layout,
                      const StepLayout::Slice& slice, RotationOf rotation);
  void RunTile(const AttentionArgs& args, const StepLayout& layout, const Tile& tile,
               float* scratch, const Sizes& sizes);

  const Isa& isa_;
  ThreadPool& pool_;
  Scratch scratch_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_ATTENTION_H_
