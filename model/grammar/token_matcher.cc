#include "model/grammar/token_matcher.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

constexpr size_t kMaxCacheBytes = size_t{16} << 20;
// Of one mask: some milliseconds. Beyond it only tokens of one byte are looked at, which is enough
// to go on; grammars that are not made for it stay far below.
constexpr size_t kMaxMaskWork = 100'000;

}  // namespace

absl::StatusOr<std::shared_ptr<TokenGrammar>> TokenGrammar::Create(
    Grammar grammar, std::shared_ptr<const TokenVocabulary> vocabulary) {
  std::shared_ptr<TokenGrammar> created(
      new TokenGrammar(std::move(grammar), std::move(vocabulary)));
  absl::MutexLock lock(&created->mutex_);
  created->cache_ = std::make_shared<Cache>(&created->grammar_);
  Cache* cache = created->cache_.get();
  const TokenMask& mask = created->Mask(cache->pushdown.start(), true, cache);
  if (std::all_of(mask.begin(), mask.end(), [](char byte) { return byte == 0; })) {
    return absl::InvalidArgumentError("no token of the model can begin a text that is allowed");
  }
  return created;
}

const TokenMask& TokenGrammar::Mask(Pushdown::StateId state, bool first, Cache* cache) {
  TokenMask& mask = first ? cache->first_mask : cache->masks[state];
  if (mask.empty()) mask = ComputeMask(state, first, &cache->pushdown);
  return mask;
}

TokenMask TokenGrammar::ComputeMask(Pushdown::StateId start, bool first, Pushdown* pushdown) const {
  const TokenTrie& trie = vocabulary_->trie(first);
  TokenMask mask(vocabulary_->mask_bytes(), 0);
  int32_t free = first ? 0 : pushdown->FreeCharacters(start);
  if (free > 0) {
    int set = 0;
    while (set + 1 < TokenVocabulary::kFreeSets && 1 << (set + 1) <= free) ++set;
    free = 1 << set;
    mask = vocabulary_->free_tokens(set);
  }
  if (pushdown->MayEnd(start)) {
    for (const int32_t id : vocabulary_->end_tokens()) SetToken(id, &mask);
  }
  const size_t max_work = pushdown->work() + kMaxMaskWork;
  std::array<Pushdown::StateId, TokenTrie::kMaxTokenBytes + 1> states;  // by depth
  states[0] = start;
  const absl::Span<const TokenTrie::Node> nodes = trie.nodes();
  for (size_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    if (node.free_characters <= free || (node.depth > 1 && pushdown->work() > max_work)) {
      i = node.end;
      continue;
    }
    const Pushdown::StateId next = pushdown->Next(states[node.depth - 1], node.byte);
    if (next == Pushdown::kDead) {
      i = node.end;
      continue;
    }
    states[node.depth] = next;
    for (const int32_t id : trie.tokens(i)) SetToken(id, &mask);
    ++i;
  }
  return mask;
}

TokenMatcher::TokenMatcher(std::shared_ptr<TokenGrammar> grammar) : grammar_(std::move(grammar)) {
  absl::MutexLock lock(&grammar_->mutex_);
  cache_ = grammar_->cache_;
  state_ = cache_->pushdown.start();
}

void TokenMatcher::Refresh() {
  TokenGrammar::Cache& current = *grammar_->cache_;
  if (current.pushdown.bytes() + current.masks.size() * grammar_->vocabulary_->mask_bytes() >
      kMaxCacheBytes) {
    grammar_->cache_ = std::make_shared<TokenGrammar::Cache>(&grammar_->grammar_);
  }
  if (cache_ == grammar_->cache_) return;
  state_ = grammar_->cache_->pushdown.Import(cache_->pushdown, state_);
  cache_ = grammar_->cache_;
}

TokenMask TokenMatcher::Allowed() {
  absl::MutexLock lock(&grammar_->mutex_);
  Refresh();
  return grammar_->Mask(state_, first_, cache_.get());
}

absl::Status TokenMatcher::Accept(int32_t token) {
  absl::MutexLock lock(&grammar_->mutex_);
  Refresh();
  const absl::string_view bytes = grammar_->vocabulary_->bytes(token, first_);
  Pushdown::StateId state = bytes.empty() ? Pushdown::kDead : state_;
  for (const unsigned char byte : bytes) state = cache_->pushdown.Next(state, byte);
  if (state == Pushdown::kDead) {
    return absl::InvalidArgumentError(
        absl::StrCat("token ", token, " may not follow by the grammar of this answer"));
  }
  state_ = state;
  first_ = false;
  return absl::OkStatus();
}

}  // namespace gantry
