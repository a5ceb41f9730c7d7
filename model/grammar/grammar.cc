#include "model/grammar/grammar.h"

#include <algorithm>
#include <deque>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/grammar/determinise.h"
#include "model/grammar/limits.h"

namespace gantry {
namespace {

constexpr int32_t kNever = std::numeric_limits<int32_t>::max();

}  // namespace

absl::StatusOr<Grammar> Grammar::Build(const Nfa& nfa, int start, const ByteSet& usable) {
  GANTRY_RETURN_IF_ERROR(nfa.status());
  Grammar grammar;
  grammar.start_rule_ = start;
  GANTRY_RETURN_IF_ERROR(Determiniser(&nfa, &usable, &grammar).Run());
  GANTRY_RETURN_IF_ERROR(grammar.Trim());
  grammar.ClassifyBytes();
  return grammar;
}

// The least fixed point of need = min(0 if it accepts, need of a byte's target, for a call the
// greater of 1 + need of the rule and need of what follows), by a list of what may still fall.
std::vector<int32_t> Grammar::ComputeNeeds() const {
  const size_t n = nodes_.size();
  struct Use {
    uint32_t user;
    uint32_t next;
  };
  std::vector<Use> uses;  // node `user` depends on a node, whose uses are linked
  std::vector<uint32_t> first_use(n, 0);
  uses.push_back({});  // 0 ends a list
  const auto use = [&](uint32_t node, uint32_t user) {
    uses.push_back({user, first_use[node]});
    first_use[node] = static_cast<uint32_t>(uses.size()) - 1;
  };
  std::vector<int32_t> need(n, kNever);
  std::deque<uint32_t> changed;
  for (uint32_t node = 0; node < n; ++node) {
    for (const ByteEdge& edge : bytes(node)) use(edge.target, node);
    for (const CallEdge& call : calls(node)) {
      use(call.target, node);
      use(rule_start_[call.rule], node);
    }
    if (accepts(node)) {
      need[node] = 0;
      changed.push_back(node);
    }
  }
  const auto compute = [&](uint32_t node) {
    int32_t least = accepts(node) ? 0 : kNever;
    for (const ByteEdge& edge : bytes(node)) least = std::min(least, need[edge.target]);
    for (const CallEdge& call : calls(node)) {
      const int32_t inside = need[rule_start_[call.rule]];
      if (inside >= kMaxStackDepth) continue;
      least = std::min(least, std::max(inside + 1, need[call.target]));
    }
    return least;
  };
  while (!changed.empty()) {
    const uint32_t node = changed.front();
    changed.pop_front();
    for (uint32_t at = first_use[node]; at != 0; at = uses[at].next) {
      const uint32_t user = uses[at].user;
      if (need[user] <= need[node]) continue;
      const int32_t now = compute(user);
      if (now >= need[user]) continue;
      need[user] = now;
      changed.push_back(user);
    }
  }
  return need;
}

absl::Status Grammar::Trim() {
  const std::vector<int32_t> need = ComputeNeeds();
  // The start is on the stack, too.
  if (need[start()] >= kMaxStackDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("no text of finite length, nested no deeper than ", kMaxStackDepth,
                     ", is allowed; something contradicts itself, or contains itself always"));
  }
  std::vector<ByteEdge> bytes;
  std::vector<CallEdge> calls;
  std::vector<uint32_t> byte_end;
  std::vector<uint32_t> call_end;
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    nodes_[node].need = need[node];
    for (const ByteEdge& edge : this->bytes(node)) {
      if (need[edge.target] != kNever) bytes.push_back(edge);
    }
    for (const CallEdge& call : this->calls(node)) {
      if (need[call.target] != kNever && need[rule_start_[call.rule]] != kNever) {
        calls.push_back(call);
      }
    }
    byte_end.push_back(bytes.size());
    call_end.push_back(calls.size());
  }
  bytes_ = std::move(bytes);
  calls_ = std::move(calls);
  byte_end_ = std::move(byte_end);
  call_end_ = std::move(call_end);
  return absl::OkStatus();
}

void Grammar::ClassifyBytes() {
  std::bitset<257> begins;  // a class
  for (const ByteEdge& edge : bytes_) {
    begins.set(edge.first);
    begins.set(edge.last + 1);
  }
  int last = 0;
  for (int byte = 0; byte < 256; ++byte) {
    if (byte > 0 && begins.test(byte)) ++last;
    byte_class_[byte] = static_cast<unsigned char>(last);
  }
  byte_classes_ = last + 1;
}

}  // namespace gantry
