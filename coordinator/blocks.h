#ifndef GANTRY_COORDINATOR_BLOCKS_H_
#define GANTRY_COORDINATOR_BLOCKS_H_

#include <cstdint>
#include <vector>

namespace gantry {

// Hands out the blocks of keys and values of an epoch. A block's number means the same memory in
// every layer of every stage. A block may be handed out again while a step that uses it is still on
// its way, because every stage runs steps in order.
class BlockAllocator {
 public:
  explicit BlockAllocator(int64_t blocks);

  int64_t total() const { return used_.size(); }
  int64_t free() const { return free_.size(); }
  // Appends `count` blocks to `*out`, or returns false and leaves it alone when fewer are free.
  bool Allocate(int64_t count, std::vector<uint32_t>* out);
  // Takes every block of `*blocks` back and empties it. Each must have come from Allocate.
  void Free(std::vector<uint32_t>* blocks);

 private:
  std::vector<uint32_t> free_;  // used from the back
  std::vector<bool> used_;
};

// Blocks that hold `tokens` tokens.
inline int64_t BlocksFor(int64_t tokens, int64_t block_size) {
  return (tokens + block_size - 1) / block_size;
}

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_BLOCKS_H_
