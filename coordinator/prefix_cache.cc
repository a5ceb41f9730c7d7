#include "coordinator/prefix_cache.h"

#include <cstdlib>

namespace gantry {

PrefixCache::PrefixCache(int64_t block_size, BlockAllocator* blocks)
    : block_size_(block_size), blocks_(blocks), by_block_(blocks->total()) {
  blocks->set_on_reclaim([this](uint32_t block) { Erase(block); });
}

PrefixCache::Key PrefixCache::MakeKey(const Next& next) {
  return {next.before,
          next.rope,
          next.before == kRoot ? *next.owner : std::string(),
          {next.token_ids.begin(), next.token_ids.end()}};
}

const PrefixCache::Entry* PrefixCache::Find(const Next& next) const {
  const auto found = entries_.find(MakeKey(next));
  return found == entries_.end() ? nullptr : &found->second;
}

uint64_t PrefixCache::Add(const Next& next, uint32_t block) {
  // A block that is not full will be written to.
  if (next.token_ids.size() != block_size_) std::abort();
  const auto [entry, added] = entries_.try_emplace(MakeKey(next));
  if (added) {
    entry->second = {++last_id_, block};
    by_block_[block] = {&entry->first, last_id_};
    blocks_->Keep(block);
  }
  return entry->second.id;
}

bool PrefixCache::Holds(const Entry& entry) const { return by_block_[entry.block].id == entry.id; }

void PrefixCache::Forget(uint32_t block) {
  if (by_block_[block].key == nullptr) return;
  Erase(block);
  blocks_->Forget(block);
}

void PrefixCache::Erase(uint32_t block) {
  entries_.erase(entries_.find(*by_block_[block].key));
  by_block_[block] = {};
}

}  // namespace gantry
