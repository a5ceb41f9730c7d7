#ifndef GANTRY_COORDINATOR_PREFIX_CACHE_H_
#define GANTRY_COORDINATOR_PREFIX_CACHE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/types/span.h"
#include "coordinator/blocks.h"

namespace gantry {

// Which full blocks hold the keys and values of which beginnings of sequences, so that a sequence
// that begins alike need not compute them again. A beginning is known by its tokens, compared one
// by one and not by a hash that somebody could aim at, by its owner, since who else's prompts were
// computed shows in the time that an answer takes, and by the rotary embedding of each block.
//
// A block is here from when the step that fills it was sent: every stage runs steps in order. Not
// thread-safe.
class PrefixCache {
 public:
  // `blocks` outlives the cache, which keeps blocks in it.
  PrefixCache(int64_t block_size, BlockAllocator* blocks);
  PrefixCache(const PrefixCache&) = delete;

  // A beginning that ends with a block, by a number that is never given to another.
  static constexpr uint64_t kRoot = 0;  // the empty one
  struct Entry {
    uint64_t id = kRoot;
    uint32_t block = 0;
  };

  // What of a sequence decides which keys and values its next block has.
  struct Next {
    uint64_t before = kRoot;  // the blocks before it
    const std::string* owner = nullptr;
    int64_t rope = 0;                     // which embedding; equal numbers, equal embeddings
    absl::Span<const int32_t> token_ids;  // [block_size]
  };
  // The block that holds it, or none.
  const Entry* Find(const Next& next) const;
  // `block` holds it. Returns the id of the beginning, with another block if one had it already.
  uint64_t Add(const Next& next, uint32_t block);
  // Whether the block still holds what it did.
  bool Holds(const Entry& entry) const;
  // The block holds nothing of worth.
  void Forget(uint32_t block);

  size_t size() const { return entries_.size(); }

 private:
  struct Key {
    uint64_t before = kRoot;
    int64_t rope = 0;
    std::string owner;  // with kRoot; other ids have one
    std::vector<int32_t> token_ids;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.before, key.rope, key.owner, key.token_ids);
    }
  };
  static Key MakeKey(const Next& next);
  void Erase(uint32_t block);

  const int64_t block_size_;
  BlockAllocator* const blocks_;
  absl::node_hash_map<Key, Entry> entries_;
  struct Held {
    const Key* key = nullptr;  // null: nothing
    uint64_t id = kRoot;
  };
  std::vector<Held> by_block_;  // [blocks]
  uint64_t last_id_ = kRoot;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_PREFIX_CACHE_H_
