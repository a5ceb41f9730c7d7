#ifndef GANTRY_MODEL_GRAMMAR_TOKEN_MATCHER_H_
#define GANTRY_MODEL_GRAMMAR_TOKEN_MATCHER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "model/grammar/grammar.h"
#include "model/grammar/pushdown.h"
#include "model/grammar/token_vocabulary.h"

namespace gantry {

// A grammar with a vocabulary, and what was computed for them so far: states, and for each state
// the set of tokens that may follow, found by one walk of the vocabulary's trie together with the
// grammar (as llguidance does; Willard and Louf, 2023, arXiv:2307.09702, make such sets beforehand
// for each state of a regular expression). In JSON strings most tokens may follow; those that are
// plain characters are taken as a whole and their part of the trie left out. Thread-safe.
class TokenGrammar {
 public:
  // INVALID_ARGUMENT where no token can be the first.
  static absl::StatusOr<std::shared_ptr<TokenGrammar>> Create(
      Grammar grammar, std::shared_ptr<const TokenVocabulary> vocabulary);

 private:
  friend class TokenMatcher;
  // Begun anew when it has become large; a matcher takes its state along when it next moves.
  struct Cache {
    explicit Cache(const Grammar* grammar) : pushdown(grammar) {}
    Pushdown pushdown;
    absl::flat_hash_map<Pushdown::StateId, TokenMask> masks;
    TokenMask first_mask;  // of the start; empty until computed
  };

  TokenGrammar(Grammar grammar, std::shared_ptr<const TokenVocabulary> vocabulary)
      : grammar_(std::move(grammar)), vocabulary_(std::move(vocabulary)) {}
  const TokenMask& Mask(Pushdown::StateId state, bool first, Cache* cache);
  TokenMask ComputeMask(Pushdown::StateId state, bool first, Pushdown* pushdown) const;

  const Grammar grammar_;
  const std::shared_ptr<const TokenVocabulary> vocabulary_;
  absl::Mutex mutex_;  // of this and what it points to
  std::shared_ptr<Cache> cache_ ABSL_GUARDED_BY(mutex_);
};

// Where one answer is in its grammar. A copy goes its own way. Not thread-safe.
class TokenMatcher {
 public:
  explicit TokenMatcher(std::shared_ptr<TokenGrammar> grammar);

  // The tokens that may come next, at least one. Each begins or goes on with a text of the grammar;
  // end tokens are among them where the text may end.
  TokenMask Allowed();
  // The token that came. INVALID_ARGUMENT, and nothing changes, for one that might not.
  absl::Status Accept(int32_t token);

 private:
  void Refresh() ABSL_EXCLUSIVE_LOCKS_REQUIRED(grammar_->mutex_);

  std::shared_ptr<TokenGrammar> grammar_;
  std::shared_ptr<TokenGrammar::Cache> cache_;
  Pushdown::StateId state_ = Pushdown::kDead;
  bool first_ = true;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_GRAMMAR_TOKEN_MATCHER_H_
