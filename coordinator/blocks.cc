#include "coordinator/blocks.h"

#include <cstdlib>

namespace gantry {

BlockAllocator::BlockAllocator(int64_t blocks) : used_(blocks, false) {
  free_.reserve(blocks);
  for (int64_t i = blocks; i > 0; --i) free_.push_back(i - 1);
}

bool BlockAllocator::Allocate(int64_t count, std::vector<uint32_t>* out) {
  if (count > free()) return false;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t block = free_.back();
    free_.pop_back();
    used_[block] = true;
    out->push_back(block);
  }
  return true;
}

void BlockAllocator::Free(std::vector<uint32_t>* blocks) {
  for (uint32_t block : *blocks) {
    // Two sequences would write to each other's keys from here on.
    if (block >= used_.size() || !used_[block]) std::abort();
    used_[block] = false;
    free_.push_back(block);
  }
  blocks->clear();
}

}  // namespace gantry
