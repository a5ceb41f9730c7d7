#ifndef GANTRY_COORDINATOR_CONSTRAINT_COMPILER_H_
#define GANTRY_COORDINATOR_CONSTRAINT_COMPILER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "coordinator/token_constraint.h"
#include "model/grammar/token_matcher.h"
#include "model/grammar/token_vocabulary.h"
#include "model/text/tokenizer.h"
#include "proto/inference.pb.h"

namespace gantry {

// Whether the answer is to be held to a form.
bool HasConstraint(const v1::GenerateRequest& request);

// Makes constraints of what requests ask for, and keeps the grammars that were used last: what they
// have computed serves the next request with the same text. Thread-safe.
class ConstraintCompiler {
 public:
  // `tokenizer` outlives this; null: the model has none. A model that chooses among `vocab_size`
  // tokens ends its answers with one of `end_tokens`.
  ConstraintCompiler(const Tokenizer* tokenizer, int32_t vocab_size,
                     std::vector<int32_t> end_tokens)
      : tokenizer_(tokenizer), vocab_size_(vocab_size), end_tokens_(std::move(end_tokens)) {}

  // Requires HasConstraint(request). INVALID_ARGUMENT "FIELD: ..." for a constraint that is
  // malformed, not supported or too large, FAILED_PRECONDITION for a model whose tokenizer cannot
  // serve any. Takes up to a tenth of a second, and the first call as long as the vocabulary needs.
  absl::StatusOr<std::shared_ptr<const TokenConstraint>> Compile(
      const v1::GenerateRequest& request);

 private:
  struct Entry {
    v1::GenerateRequest::ConstraintCase kind;
    std::string text;
    std::shared_ptr<TokenGrammar> grammar;
  };

  absl::StatusOr<std::shared_ptr<const TokenVocabulary>> Vocabulary();
  std::shared_ptr<TokenGrammar> Find(v1::GenerateRequest::ConstraintCase kind,
                                     const std::string& text);
  void Remember(Entry entry);

  const Tokenizer* const tokenizer_;
  const int32_t vocab_size_;
  const std::vector<int32_t> end_tokens_;

  absl::Mutex vocabulary_mutex_;  // held while the vocabulary is made, once
  // Null until made; an error is kept, too.
  absl::StatusOr<std::shared_ptr<const TokenVocabulary>> vocabulary_
      ABSL_GUARDED_BY(vocabulary_mutex_) = nullptr;
  absl::Mutex mutex_;
  std::deque<Entry> used_ ABSL_GUARDED_BY(mutex_);  // the last first
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_CONSTRAINT_COMPILER_H_
