#ifndef GANTRY_MODEL_TEXT_TRIE_H_
#define GANTRY_MODEL_TEXT_TRIE_H_

#include <bitset>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace gantry {

// Strings with a number each, walked byte by byte.
class Trie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNowhere = UINT32_MAX;

  // Of two equal keys the first counts. Values are not negative.
  void Insert(absl::string_view key, int32_t value);
  // The node behind `byte`, or kNowhere.
  Node Step(Node node, unsigned char byte) const {
    if (node == kRoot && !first_bytes_[byte]) return kNowhere;
    const auto edge = edges_.find(static_cast<uint64_t>(node) << 8 | byte);
    return edge == edges_.end() ? kNowhere : edge->second;
  }
  // kNowhere when no key begins with `prefix`.
  Node Walk(absl::string_view prefix) const;
  // The value of the key that ends at the node, -1 when none does.
  int32_t value(Node node) const { return values_[node]; }
  // Bytes of the longest key.
  size_t depth() const { return depth_; }
  bool StartsWithByte(unsigned char byte) const { return first_bytes_[byte]; }

 private:
  absl::flat_hash_map<uint64_t, Node> edges_;  // by node << 8 | byte
  std::vector<int32_t> values_ = {-1};         // by node
  std::bitset<256> first_bytes_;
  size_t depth_ = 0;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_TRIE_H_
