#ifndef GANTRY_MODEL_GRAMMAR_GRAMMAR_H_
#define GANTRY_MODEL_GRAMMAR_GRAMMAR_H_

#include <bitset>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/grammar/nfa.h"

namespace gantry {

// The bytes that a vocabulary can write one by one.
using ByteSet = std::bitset<256>;

// A language over bytes, with rules that call each other. Each rule is an automaton, deterministic
// but for its calls, and every node of it can be finished: some bytes lead from it to the end of
// its rule within kMaxStackDepth rules, need() of them at the least. So whoever keeps depth +
// need(node) <= kMaxStackDepth never comes to where nothing may follow. Immutable.
class Grammar {
 public:
  struct ByteEdge {
    unsigned char first;
    unsigned char last;  // inclusive
    uint32_t target;
  };
  struct CallEdge {
    uint32_t rule;
    uint32_t target;
  };

  // The language of rule `start`, written with the bytes of `usable`. INVALID_ARGUMENT if there is
  // no such text, or none within kMaxStackDepth; RESOURCE_EXHAUSTED beyond the limits.
  static absl::StatusOr<Grammar> Build(const Nfa& nfa, int start, const ByteSet& usable);

  uint32_t start() const { return rule_start_[start_rule_]; }
  uint32_t rule_start(uint32_t rule) const { return rule_start_[rule]; }
  absl::Span<const ByteEdge> bytes(uint32_t node) const { return Slice(bytes_, byte_end_, node); }
  absl::Span<const CallEdge> calls(uint32_t node) const { return Slice(calls_, call_end_, node); }
  bool accepts(uint32_t node) const { return nodes_[node].accepts; }
  int32_t free_characters(uint32_t node) const { return nodes_[node].free_characters; }
  // The further rules that have to be called to reach the end of this one.
  int32_t need(uint32_t node) const { return nodes_[node].need; }
  size_t nodes() const { return nodes_.size(); }
  // Bytes that no node tells apart have the same class, from 0.
  unsigned char byte_class(unsigned char byte) const { return byte_class_[byte]; }
  int byte_classes() const { return byte_classes_; }

 private:
  friend class Determiniser;
  struct Node {
    bool accepts = false;
    int32_t free_characters = 0;
    int32_t need = 0;
  };

  Grammar() = default;
  template <typename Edge>
  static absl::Span<const Edge> Slice(const std::vector<Edge>& edges,
                                      const std::vector<uint32_t>& ends, uint32_t node) {
    const uint32_t begin = node == 0 ? 0 : ends[node - 1];
    return absl::MakeConstSpan(edges).subspan(begin, ends[node] - begin);
  }
  std::vector<int32_t> ComputeNeeds() const;
  // Takes away what leads to no end.
  absl::Status Trim();
  void ClassifyBytes();

  uint32_t start_rule_ = 0;
  std::vector<uint32_t> rule_start_;
  std::vector<Node> nodes_;
  std::vector<ByteEdge> bytes_;     // of all nodes in order
  std::vector<uint32_t> byte_end_;  // by node: where in bytes_ its edges end
  std::vector<CallEdge> calls_;
  std::vector<uint32_t> call_end_;
  unsigned char byte_class_[256] = {};
  int byte_classes_ = 1;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_GRAMMAR_H_
