#ifndef GANTRY_COORDINATOR_BLOCKS_H_
#define GANTRY_COORDINATOR_BLOCKS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

namespace gantry {

// Hands out the blocks of keys and values of an epoch. A block's number means the same memory in
// every layer of every stage. A block may be handed out again while a step that uses it is still on
// its way, because every stage runs steps in order.
//
// A block may have several users, which only read it. One that is kept is not forgotten when the
// last of them frees it: it counts as free, but of the free blocks it is handed out last, those
// freed longest ago before others.
class BlockAllocator {
 public:
  explicit BlockAllocator(int64_t blocks);
  // Called with each kept block that is handed out for something else; it is kept no more.
  void set_on_reclaim(std::function<void(uint32_t)> on_reclaim) {
    on_reclaim_ = std::move(on_reclaim);
  }

  int64_t total() const { return blocks_.size(); }
  int64_t free() const { return free_.size() + kept_free_.size(); }
  int64_t users(uint32_t block) const { return blocks_[block].users; }

  // Appends `count` blocks to `*out`, each with one user, or returns false and leaves it alone when
  // fewer are free.
  bool Allocate(int64_t count, std::vector<uint32_t>* out);
  // Another user of a block that is kept or has one.
  void Share(uint32_t block);
  // Takes away one user of every block of `*blocks` and empties it, the last block first, so that
  // of a prefix that is kept the end is reclaimed before the beginning.
  void Free(std::vector<uint32_t>* blocks);

  void Keep(uint32_t block);
  void Forget(uint32_t block);  // no more kept; nothing if it was not

 private:
  struct Block {
    int64_t users = 0;
    bool kept = false;
    uint64_t freed = 0;  // its key in kept_free_, if it is there
  };

  std::vector<Block> blocks_;
  std::vector<uint32_t> free_;              // used from the back
  std::map<uint64_t, uint32_t> kept_free_;  // by when they were freed
  uint64_t last_freed_ = 0;
  std::function<void(uint32_t)> on_reclaim_;
};

// Blocks that hold `tokens` tokens.
inline int64_t BlocksFor(int64_t tokens, int64_t block_size) {
  return (tokens + block_size - 1) / block_size;
}

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_BLOCKS_H_
