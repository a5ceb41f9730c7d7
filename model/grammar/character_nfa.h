#ifndef GANTRY_MODEL_GRAMMAR_CHARACTER_NFA_H_
#define GANTRY_MODEL_GRAMMAR_CHARACTER_NFA_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/grammar/character_set.h"

namespace gantry {

// A nondeterministic automaton over characters, as Thompson builds it: from an expression, before
// its characters are written as bytes. It has no more than kMaxRegexStates states.
struct CharacterNfa {
  struct Edge {
    int set;  // index into sets
    int target;
  };
  struct State {
    std::vector<Edge> edges;
    std::vector<int> empty_edges;  // states reached without a character
  };

  std::vector<CharacterSet> sets;
  std::vector<State> states;
  int start = 0;
  int end = 0;  // the accepting state

  // RESOURCE_EXHAUSTED where states would be too many.
  absl::StatusOr<int> AddState();
};

// The strings of `nfa` that have `min` to `max` characters. Requires 0 <= min <= max; a max of
// kNoMaxLength is none.
inline constexpr int64_t kNoMaxLength = INT64_MAX;
absl::StatusOr<CharacterNfa> WithLength(const CharacterNfa& nfa, int64_t min, int64_t max);

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_CHARACTER_NFA_H_
