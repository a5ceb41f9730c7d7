#include "model/grammar/determinise.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/grammar/limits.h"

namespace gantry {

absl::Status Determiniser::Run() {
  for (const Nfa::Rule& rule : nfa_->rules()) GANTRY_RETURN_IF_ERROR(AddRule(rule));
  return absl::OkStatus();
}

bool Determiniser::Spend(size_t work) {
  work_ += work;
  return work_ <= kMaxDeterminiseWork && first_node_ + sets_.size() <= kMaxNodes;
}

absl::Status Determiniser::AddRule(const Nfa::Rule& rule) {
  first_node_ = grammar_->nodes_.size();
  end_ = rule.end;
  ids_.clear();
  sets_.clear();
  grammar_->rule_start_.push_back(NodeOf({rule.start}));
  for (size_t i = 0; i < sets_.size(); ++i) {
    const States states = sets_[i];  // a copy: sets_ grows
    Grammar::Node node;
    for (const int state : states) {
      if (state == end_) node.accepts = true;
      node.free_characters = std::max(node.free_characters, nfa_->states()[state].free_characters);
    }
    grammar_->nodes_.push_back(node);
    AddByteEdges(states);
    AddCallEdges(states);
    grammar_->byte_end_.push_back(grammar_->bytes_.size());
    grammar_->call_end_.push_back(grammar_->calls_.size());
    if (!Spend(0)) {
      return absl::ResourceExhaustedError(
          "takes too many states once made deterministic; make expressions, lengths and numbers of "
          "items smaller");
    }
  }
  return absl::OkStatus();
}

uint32_t Determiniser::NodeOf(States states) {
  ++closure_;
  size_t edges = 0;
  size_t kept = 0;
  for (const int state : states) {
    if (mark_[state] == closure_) continue;
    mark_[state] = closure_;
    states[kept++] = state;
  }
  states.resize(kept);
  for (size_t i = 0; i < states.size(); ++i) {
    for (const int target : nfa_->states()[states[i]].empty_edges) {
      ++edges;
      if (mark_[target] == closure_) continue;
      mark_[target] = closure_;
      states.push_back(target);
    }
  }
  Spend(4 * states.size() + edges);
  // A node is told by those of its states that do something.
  std::erase_if(states, [this](int state) {
    const Nfa::State& of = nfa_->states()[state];
    return of.bytes.empty() && of.calls.empty() && of.free_characters == 0 && state != end_;
  });
  std::sort(states.begin(), states.end());
  const auto [at, added] = ids_.try_emplace(states, first_node_ + sets_.size());
  if (added) sets_.push_back(std::move(states));
  return at->second;
}

void Determiniser::AddByteEdges(const States& states) {
  // The ranges' bounds cut the bytes into intervals; those of each go to one set of states.
  std::map<int, States> targets;  // by the interval's first byte
  std::vector<Nfa::ByteEdge> edges;
  for (const int state : states) {
    for (const Nfa::ByteEdge& edge : nfa_->states()[state].bytes) {
      edges.push_back(edge);
      targets[edge.first];
      targets[edge.last + 1];
    }
  }
  for (const Nfa::ByteEdge& edge : edges) {
    for (auto at = targets.find(edge.first); at->first <= edge.last; ++at) {
      at->second.push_back(edge.target);
      if (!Spend(1)) return;
    }
  }
  for (auto at = targets.begin(); at != targets.end(); ++at) {
    if (at->second.empty() || !Spend(1)) continue;
    const int last = std::next(at)->first - 1;
    const uint32_t target = NodeOf(std::move(at->second));
    for (int byte = at->first; byte <= last; ++byte) {
      if (!usable_->test(byte)) continue;
      const size_t begin = grammar_->byte_end_.empty() ? 0 : grammar_->byte_end_.back();
      std::vector<Grammar::ByteEdge>& out = grammar_->bytes_;
      if (out.size() > begin && out.back().target == target && out.back().last + 1 == byte) {
        out.back().last = static_cast<unsigned char>(byte);
      } else {
        out.push_back({static_cast<unsigned char>(byte), static_cast<unsigned char>(byte), target});
      }
    }
  }
}

void Determiniser::AddCallEdges(const States& states) {
  std::map<int, States> targets;  // by rule
  for (const int state : states) {
    for (const Nfa::CallEdge& edge : nfa_->states()[state].calls) {
      targets[edge.rule].push_back(edge.target);
    }
  }
  for (auto& [rule, to] : targets) {
    const uint32_t target = NodeOf(std::move(to));
    grammar_->calls_.push_back({static_cast<uint32_t>(rule), target});
  }
}

}  // namespace gantry
