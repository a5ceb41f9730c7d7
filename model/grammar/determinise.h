#ifndef GANTRY_MODEL_GRAMMAR_DETERMINISE_H_
#define GANTRY_MODEL_GRAMMAR_DETERMINISE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "model/grammar/grammar.h"
#include "model/grammar/nfa.h"

namespace gantry {

// The construction of subsets, rule by rule; a call counts as a symbol as a byte does.
class Determiniser {
 public:
  // All outlive this; `grammar` is empty.
  Determiniser(const Nfa* nfa, const ByteSet* usable, Grammar* grammar)
      : nfa_(nfa), usable_(usable), grammar_(grammar), mark_(nfa->states().size(), 0) {}

  // RESOURCE_EXHAUSTED beyond kMaxNodes or kMaxDeterminiseWork.
  absl::Status Run();

 private:
  using States = std::vector<int>;  // sorted

  absl::Status AddRule(const Nfa::Rule& rule);
  // The node of what is reached from `states` by empty edges.
  uint32_t NodeOf(States states);
  void AddByteEdges(const States& states);
  void AddCallEdges(const States& states);
  bool Spend(size_t work);

  const Nfa* const nfa_;
  const ByteSet* const usable_;
  Grammar* const grammar_;
  std::vector<uint32_t> mark_;  // by state: the last closure that it was in
  uint32_t closure_ = 0;
  size_t work_ = 0;
  size_t first_node_ = 0;  // of this rule
  int end_ = 0;
  absl::flat_hash_map<States, uint32_t> ids_;
  std::vector<States> sets_;  // of this rule's nodes
};

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_DETERMINISE_H_
