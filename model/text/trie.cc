#include "model/text/trie.h"

#include <algorithm>

namespace gantry {

void Trie::Insert(absl::string_view key, int32_t value) {
  Node node = kRoot;
  if (!key.empty()) first_bytes_.set(static_cast<unsigned char>(key[0]));
  for (const unsigned char byte : key) {
    const auto [edge, is_new] = edges_.try_emplace(static_cast<uint64_t>(node) << 8 | byte,
                                                   static_cast<Node>(values_.size()));
    if (is_new) values_.push_back(-1);
    node = edge->second;
  }
  if (values_[node] < 0) values_[node] = value;
  depth_ = std::max(depth_, key.size());
}

Trie::Node Trie::Walk(absl::string_view prefix) const {
  Node node = kRoot;
  for (const unsigned char byte : prefix) {
    node = Step(node, byte);
    if (node == kNowhere) break;
  }
  return node;
}

}  // namespace gantry
