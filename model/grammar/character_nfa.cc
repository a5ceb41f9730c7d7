#include "model/grammar/character_nfa.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/grammar/limits.h"

namespace gantry {

absl::StatusOr<int> CharacterNfa::AddState() {
  if (states.size() >= kMaxRegexStates) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the expression needs more than ", kMaxRegexStates,
                     " states with its repetitions written out; make them fewer"));
  }
  states.emplace_back();
  return static_cast<int>(states.size()) - 1;
}

absl::StatusOr<CharacterNfa> WithLength(const CharacterNfa& nfa, int64_t min, int64_t max) {
  // The product with a counter: state q after c characters is c * n + q. Without a maximum the
  // counter stays at min.
  const int64_t last = max == kNoMaxLength ? min : max;
  const int64_t n = nfa.states.size();
  if (last >= static_cast<int64_t>(kMaxRegexStates) || (last + 1) * n >= kMaxRegexStates) {
    return absl::ResourceExhaustedError(
        absl::StrCat("minLength or maxLength of ", last, " beside a pattern of ", n,
                     " states needs more than ", kMaxRegexStates, " states"));
  }
  CharacterNfa product;
  product.sets = nfa.sets;
  product.states.resize((last + 1) * n + 1);
  product.start = nfa.start;
  product.end = static_cast<int>((last + 1) * n);
  for (int64_t count = 0; count <= last; ++count) {
    const int at = static_cast<int>(count * n);
    for (int64_t q = 0; q < n; ++q) {
      CharacterNfa::State& state = product.states[at + q];
      for (const int target : nfa.states[q].empty_edges) state.empty_edges.push_back(at + target);
      if (count == last && max != kNoMaxLength) continue;
      const int next = static_cast<int>(std::min(count + 1, last) * n);
      for (const CharacterNfa::Edge& edge : nfa.states[q].edges) {
        state.edges.push_back({edge.set, next + edge.target});
      }
    }
    if (count >= min) product.states[at + nfa.end].empty_edges.push_back(product.end);
  }
  return product;
}

}  // namespace gantry
