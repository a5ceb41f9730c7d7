#include "coordinator/constraint_compiler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/grammar/json_schema.h"

namespace gantry {
namespace {

constexpr size_t kRememberedGrammars = 16;

class GrammarConstraint : public TokenConstraint {
 public:
  explicit GrammarConstraint(TokenMatcher matcher) : matcher_(std::move(matcher)) {}

  std::unique_ptr<TokenConstraint> Copy() const override {
    return std::make_unique<GrammarConstraint>(matcher_);
  }
  bool Allowed(std::string* mask) override {
    *mask = matcher_.Allowed();
    return true;
  }
  absl::Status Accept(int32_t token) override {
    const absl::Status accepted = matcher_.Accept(token);
    if (accepted.ok()) return accepted;
    return absl::InternalError(
        absl::StrCat("the last stage chose a token it was not to: ", accepted.message()));
  }

 private:
  TokenMatcher matcher_;
};

absl::StatusOr<Grammar> CompileGrammar(v1::GenerateRequest::ConstraintCase kind,
                                       const std::string& text, const ByteSet& usable) {
  switch (kind) {
    case v1::GenerateRequest::kJsonSchema:
      return CompileJsonSchema(text, usable);
    case v1::GenerateRequest::kRegex:
      return CompileRegex(text, usable);
    default:
      return CompileJsonObject(usable);
  }
}

absl::StatusOr<std::shared_ptr<TokenGrammar>> CompileTokenGrammar(
    v1::GenerateRequest::ConstraintCase kind, const std::string& text,
    std::shared_ptr<const TokenVocabulary> vocabulary) {
  GANTRY_ASSIGN_OR_RETURN(Grammar grammar, CompileGrammar(kind, text, vocabulary->usable_bytes()));
  return TokenGrammar::Create(std::move(grammar), std::move(vocabulary));
}

const char* FieldName(v1::GenerateRequest::ConstraintCase kind) {
  switch (kind) {
    case v1::GenerateRequest::kJsonSchema:
      return "json_schema";
    case v1::GenerateRequest::kRegex:
      return "regex";
    default:
      return "json_object";
  }
}

}  // namespace

bool HasConstraint(const v1::GenerateRequest& request) {
  return request.has_json_schema() || request.has_regex() || request.json_object();
}

absl::StatusOr<std::shared_ptr<const TokenConstraint>> ConstraintCompiler::Compile(
    const v1::GenerateRequest& request) {
  const v1::GenerateRequest::ConstraintCase kind = request.constraint_case();
  const std::string& text = request.has_json_schema() ? request.json_schema() : request.regex();
  std::shared_ptr<TokenGrammar> grammar = Find(kind, text);
  if (grammar == nullptr) {
    absl::StatusOr<std::shared_ptr<const TokenVocabulary>> vocabulary = Vocabulary();
    if (!vocabulary.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat(FieldName(kind), ": ", vocabulary.status().message()));
    }
    absl::StatusOr<std::shared_ptr<TokenGrammar>> compiled =
        CompileTokenGrammar(kind, text, *std::move(vocabulary));
    // Whatever is wrong with it, the same request will not do later.
    if (!compiled.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(FieldName(kind), ": ", compiled.status().message()));
    }
    grammar = *std::move(compiled);
    Remember({kind, text, grammar});
  }
  return std::make_shared<GrammarConstraint>(TokenMatcher(std::move(grammar)));
}

absl::StatusOr<std::shared_ptr<const TokenVocabulary>> ConstraintCompiler::Vocabulary() {
  if (tokenizer_ == nullptr) {
    return absl::FailedPreconditionError("the model has no tokenizer, so there is no text");
  }
  absl::MutexLock lock(&vocabulary_mutex_);
  if (vocabulary_.ok() && *vocabulary_ == nullptr) {
    vocabulary_ = TokenVocabulary::Create(*tokenizer_, vocab_size_, end_tokens_);
  }
  return vocabulary_;
}

std::shared_ptr<TokenGrammar> ConstraintCompiler::Find(v1::GenerateRequest::ConstraintCase kind,
                                                       const std::string& text) {
  absl::MutexLock lock(&mutex_);
  const auto found = std::find_if(used_.begin(), used_.end(), [&](const Entry& entry) {
    return entry.kind == kind && entry.text == text;
  });
  if (found == used_.end()) return nullptr;
  std::rotate(used_.begin(), found, found + 1);
  return used_.front().grammar;
}

void ConstraintCompiler::Remember(Entry entry) {
  absl::MutexLock lock(&mutex_);
  used_.push_front(std::move(entry));
  if (used_.size() > kRememberedGrammars) used_.pop_back();
}

}  // namespace gantry
