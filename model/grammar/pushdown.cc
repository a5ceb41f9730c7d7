#include "model/grammar/pushdown.h"

#include <algorithm>

#include "model/grammar/limits.h"

namespace gantry {

Pushdown::Pushdown(const Grammar* grammar) : grammar_(grammar) {
  entries_.push_back({0, 0, 0});
  seen_.push_back(0);
  states_.emplace_back();  // kDead
  states_[kDead].expanded = true;
  rows_.resize(grammar_->byte_classes(), kDead);
  start_ = Intern({Push(grammar_->start(), 0)});
}

uint32_t Pushdown::Push(uint32_t node, uint32_t below) {
  const auto [at, added] = entry_ids_.try_emplace({node, below}, entries_.size());
  if (added) {
    entries_.push_back({node, below, entries_[below].depth + 1});
    seen_.push_back(0);
  }
  return at->second;
}

bool Pushdown::IsEnd(uint32_t node) const {
  return grammar_->accepts(node) && grammar_->bytes(node).empty() && grammar_->calls(node).empty();
}

uint32_t Pushdown::Return(uint32_t stack) const {
  while (entries_[stack].below != 0 && IsEnd(entries_[stack].node)) stack = entries_[stack].below;
  return stack;
}

void Pushdown::Expand(StateId state) {
  if (states_[state].expanded) return;
  ++expansion_;
  std::vector<uint32_t> pending;
  std::vector<uint32_t> readable;
  bool may_end = false;
  const auto add = [&](uint32_t stack) {
    if (seen_[stack] == expansion_) return;
    seen_[stack] = expansion_;
    pending.push_back(stack);
  };
  for (const uint32_t first : states_[state].stacks) {
    if (readable.size() >= kMaxStacks) break;
    add(first);
    while (!pending.empty()) {
      const uint32_t stack = pending.back();
      pending.pop_back();
      const auto [node, below, depth] = entries_[stack];
      ++work_;
      if (!grammar_->bytes(node).empty()) readable.push_back(stack);
      if (grammar_->accepts(node)) {
        if (below == 0) {
          may_end = true;
        } else {
          add(below);
        }
      }
      for (const Grammar::CallEdge& call : grammar_->calls(node)) {
        // What could not be finished is not begun; Grammar says why something is left.
        const uint32_t inside = grammar_->rule_start(call.rule);
        if (depth + 1 + grammar_->need(inside) > kMaxStackDepth) continue;
        if (depth + grammar_->need(call.target) > kMaxStackDepth) continue;
        // A call that the rule ends with needs no entry to return to.
        const bool last = below != 0 && IsEnd(call.target);
        add(Push(inside, last ? below : Push(call.target, below)));
      }
    }
  }
  State& at = states_[state];
  at.readable = std::move(readable);
  at.may_end = may_end;
  at.expanded = true;
  stacks_ += at.readable.size();
}

Pushdown::StateId Pushdown::ComputeNext(StateId state, unsigned char byte) {
  Expand(state);
  std::vector<uint32_t> stacks;
  const std::vector<uint32_t> readable = states_[state].readable;
  work_ += 1 + readable.size();
  for (const uint32_t stack : readable) {
    const auto edges = grammar_->bytes(entries_[stack].node);
    const auto edge =
        std::partition_point(edges.begin(), edges.end(),
                             [byte](const Grammar::ByteEdge& edge) { return edge.last < byte; });
    if (edge == edges.end() || edge->first > byte) continue;
    if (entries_[stack].depth + grammar_->need(edge->target) > kMaxStackDepth) continue;
    stacks.push_back(Return(Push(edge->target, entries_[stack].below)));
  }
  return Intern(std::move(stacks));
}

Pushdown::StateId Pushdown::Intern(std::vector<uint32_t> stacks) {
  if (stacks.empty()) return kDead;
  std::sort(stacks.begin(), stacks.end());
  stacks.erase(std::unique(stacks.begin(), stacks.end()), stacks.end());
  if (stacks.size() > kMaxStacks) stacks.resize(kMaxStacks);
  const auto [at, added] = state_ids_.try_emplace(stacks, states_.size());
  if (!added) return at->second;
  State& state = states_.emplace_back();
  for (const uint32_t stack : stacks) {
    state.free_characters =
        std::max(state.free_characters, grammar_->free_characters(entries_[stack].node));
  }
  stacks_ += 2 * stacks.size();
  state.stacks = std::move(stacks);
  state.row = rows_.size();
  rows_.resize(rows_.size() + grammar_->byte_classes(), kUnknown);
  return at->second;
}

bool Pushdown::MayEnd(StateId state) {
  Expand(state);
  return states_[state].may_end;
}

Pushdown::StateId Pushdown::Import(const Pushdown& other, StateId state) {
  std::vector<uint32_t> stacks;
  for (uint32_t stack : other.states_[state].stacks) {
    std::vector<uint32_t> nodes;  // from the top
    for (; stack != 0; stack = other.entries_[stack].below) {
      nodes.push_back(other.entries_[stack].node);
    }
    uint32_t copy = 0;
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) copy = Push(*node, copy);
    stacks.push_back(copy);
  }
  return Intern(std::move(stacks));
}

size_t Pushdown::bytes() const {
  return entries_.size() * 48 + stacks_ * sizeof(uint32_t) + rows_.size() * sizeof(StateId) +
         states_.size() * (sizeof(State) + 48);
}

}  // namespace gantry
