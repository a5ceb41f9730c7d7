#ifndef GANTRY_PLAN_CACHING_ALLOCATOR_H_
#define GANTRY_PLAN_CACHING_ALLOCATOR_H_

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "plan/model_tree.h"
#include "plan/quantization.h"

namespace gantry {

// The arithmetic of torch's CUDA caching allocator, without the memory: c10/cuda's rules for sizes
// up to 1 MiB (cut to the byte from segments of 2 MiB) and above (from segments of 20 MiB, or a
// multiple of 2 MiB; a rest of up to 1 MiB stays with the block and counts as allocated).
class CachingAllocator {
 public:
  // The address of a new block, for Free.
  uint64_t Allocate(uint64_t bytes);
  void Free(uint64_t address);
  uint64_t allocated_bytes() const { return allocated_; }
  uint64_t reserved_bytes() const { return reserved_; }

 private:
  struct Block {
    uint64_t size = 0;
    uint64_t segment = 0;
    bool small = false;
    bool free = false;
  };
  using Blocks = std::map<uint64_t, Block>;  // by address

  // Joins a free block with the free one behind it in its segment.
  void MergeWithNext(Blocks::iterator block);
  std::set<std::pair<uint64_t, uint64_t>>& FreeBlocks(const Block& block) {
    return free_[block.small ? 0 : 1];
  }

  Blocks blocks_;
  std::set<std::pair<uint64_t, uint64_t>> free_[2];  // (size, address): small, large
  uint64_t next_segment_ = 0;
  uint64_t allocated_ = 0;
  uint64_t reserved_ = 0;
};

// What the allocator counts as allocated once transformers 5 has loaded the model onto one GPU: it
// makes room for all of it, then loads the tensors by name and quantises each on the device, where
// the quantised one falls into the gaps that the others' originals left.
uint64_t SimulateLoad(const ModelTree& tree, const SchemeRules& rules);

}  // namespace gantry

#endif  // GANTRY_PLAN_CACHING_ALLOCATOR_H_
