#include "coordinator/blocks.h"

#include <cstdlib>

namespace gantry {

BlockAllocator::BlockAllocator(int64_t blocks) : blocks_(blocks) {
  free_.reserve(blocks);
  for (int64_t i = blocks; i > 0; --i) free_.push_back(i - 1);
}

bool BlockAllocator::Allocate(int64_t count, std::vector<uint32_t>* out) {
  if (count > free()) return false;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t block;
    if (!free_.empty()) {
      block = free_.back();
      free_.pop_back();
    } else {
      block = kept_free_.begin()->second;
      kept_free_.erase(kept_free_.begin());
      blocks_[block].kept = false;
      on_reclaim_(block);
    }
    blocks_[block].users = 1;
    out->push_back(block);
  }
  return true;
}

void BlockAllocator::Share(uint32_t block) {
  if (blocks_[block].users++ > 0) return;
  // Only what is kept still holds what it held.
  if (!blocks_[block].kept) std::abort();
  kept_free_.erase(blocks_[block].freed);
}

void BlockAllocator::Free(std::vector<uint32_t>* blocks) {
  for (; !blocks->empty(); blocks->pop_back()) {
    const uint32_t block = blocks->back();
    // Two sequences would write to each other's keys from here on.
    if (block >= blocks_.size() || blocks_[block].users == 0) std::abort();
    if (--blocks_[block].users > 0) continue;
    if (blocks_[block].kept) {
      blocks_[block].freed = ++last_freed_;
      kept_free_.emplace(last_freed_, block);
    } else {
      free_.push_back(block);
    }
  }
}

void BlockAllocator::Keep(uint32_t block) { blocks_[block].kept = true; }

void BlockAllocator::Forget(uint32_t block) {
  if (!blocks_[block].kept) return;
  blocks_[block].kept = false;
  if (blocks_[block].users > 0) return;
  kept_free_.erase(blocks_[block].freed);
  free_.push_back(block);
}

}  // namespace gantry
