#ifndef GANTRY_MODEL_GRAMMAR_PUSHDOWN_H_
#define GANTRY_MODEL_GRAMMAR_PUSHDOWN_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "model/grammar/grammar.h"

namespace gantry {

// Follows a grammar byte by byte. What was read may be read in several ways, each a stack of nodes;
// a state is a set of stacks, and states are made when they are first met, as those of a lazy DFA
// are (RE2). Stacks share what lies under them, as in XGrammar's persistent stacks (Dong et al.,
// 2024, arXiv:2411.15100). Not thread-safe.
class Pushdown {
 public:
  using StateId = uint32_t;
  static constexpr StateId kDead = 0;

  // `grammar` outlives this.
  explicit Pushdown(const Grammar* grammar);
  Pushdown(const Pushdown&) = delete;
  Pushdown& operator=(const Pushdown&) = delete;

  StateId start() const { return start_; }
  // kDead where no text goes on so. From every other state some text leads to the end.
  StateId Next(StateId state, unsigned char byte) {
    const int at = states_[state].row + grammar_->byte_class(byte);
    if (rows_[at] == kUnknown) rows_[at] = ComputeNext(state, byte);
    return rows_[at];
  }
  // Whether the text may end here.
  bool MayEnd(StateId state);
  // So many characters of a JSON string, whichever they are, may follow.
  int32_t FreeCharacters(StateId state) const { return states_[state].free_characters; }

  // The state of `other`, of the same grammar, here.
  StateId Import(const Pushdown& other, StateId state);

  size_t bytes() const;
  // Stacks looked at so far, what computing takes time for.
  size_t work() const { return work_; }

 private:
  static constexpr StateId kUnknown = UINT32_MAX;
  // A node on a stack; the number of an entry stands for the stack that it is the top of.
  struct Entry {
    uint32_t node;
    uint32_t below;  // an entry, 0: none
    int32_t depth;
  };
  struct State {
    std::vector<uint32_t> stacks;  // sorted
    // Those and what they call and return to, as far as a byte may be read there.
    std::vector<uint32_t> readable;
    bool expanded = false;
    bool may_end = false;
    int32_t free_characters = 0;
    size_t row = 0;  // into rows_
  };

  uint32_t Push(uint32_t node, uint32_t below);
  bool IsEnd(uint32_t node) const;
  // `stack` without the tops at which a rule can only end.
  uint32_t Return(uint32_t stack) const;
  void Expand(StateId state);
  StateId ComputeNext(StateId state, unsigned char byte);
  StateId Intern(std::vector<uint32_t> stacks);

  const Grammar* const grammar_;
  std::vector<Entry> entries_;
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, uint32_t> entry_ids_;  // node, below
  std::vector<State> states_;
  absl::flat_hash_map<std::vector<uint32_t>, StateId> state_ids_;
  std::vector<StateId> rows_;   // byte_classes() a state
  std::vector<uint32_t> seen_;  // by entry: the last expansion that saw it
  uint32_t expansion_ = 0;
  size_t stacks_ = 0;  // in all states
  size_t work_ = 0;
  StateId start_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_PUSHDOWN_H_
