#ifndef GANTRY_KERNELS_CPU_KV_BLOCKS_H_
#define GANTRY_KERNELS_CPU_KV_BLOCKS_H_

#include <utility>

#include "kernels/backend.h"
#include "kernels/cpu/isa.h"
#include "kernels/host_memory.h"

namespace gantry {

// Keys and values of one layer: keys[num_blocks, kv_heads, head_dim, slots], so that lanes run over
// the tokens of a block, and values[num_blocks, kv_heads, slots, value_dim]; slots and value_dim
// are block_size and head_dim rounded up to the lanes.
class KvBlocks : public KvCache {
 public:
  KvBlocks(const KvCacheShape& shape, HostMemory memory)
      : shape_(shape), memory_(std::move(memory)) {}

  static int64_t RoundUp(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }
  static int64_t Slots(const KvCacheShape& shape) { return RoundUp(shape.block_size); }
  static int64_t ValueDim(const KvCacheShape& shape) { return RoundUp(shape.head_dim); }

  size_t bytes() const override { return memory_.bytes(); }
  const KvCacheShape& shape() const { return shape_; }
  float* keys(int64_t block, int64_t head) const {
    return memory_.floats() + (block * shape_.kv_heads + head) * shape_.head_dim * Slots(shape_);
  }
  float* values(int64_t block, int64_t head) const {
    return memory_.floats() +
           shape_.num_blocks * shape_.kv_heads * shape_.head_dim * Slots(shape_) +
           (block * shape_.kv_heads + head) * Slots(shape_) * ValueDim(shape_);
  }

 private:
  KvCacheShape shape_;
  HostMemory memory_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_CPU_KV_BLOCKS_H_
