#include "model/text/decode_steps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "base/utf8.h"
#include "model/text/byte_level.h"

namespace gantry {
namespace {

constexpr char kReplacementCharacter[] = "\xef\xbf\xbd";

class JoinStep : public DecodeStep {
 public:
  JoinStep(std::string separator, DecodeStep* next)
      : DecodeStep(next), separator_(std::move(separator)) {}

  void Text(absl::string_view text) override {
    BeginToken();
    next_->Text(text);
  }
  void EndToken() override {
    BeginToken();
    in_token_ = false;
    next_->EndToken();
  }

 private:
  void BeginToken() {
    if (in_token_) return;
    if (!first_) next_->Text(separator_);
    first_ = false;
    in_token_ = true;
  }

  const std::string separator_;
  bool first_ = true;
  bool in_token_ = false;
};

class ReplaceStep : public DecodeStep {
 public:
  ReplaceStep(const Pattern* pattern, std::string content, DecodeStep* next)
      : DecodeStep(next), pattern_(pattern), content_(std::move(content)) {}

  void Text(absl::string_view text) override {
    held_.append(text.data(), text.size());
    // An expression may look ahead to the token's end.
    if (pattern_->literal() != nullptr) ReplaceCertain(*pattern_->literal());
  }
  void EndToken() override {
    if (!held_.empty()) {
      // Where the expression passes its limits the text stays as it is.
      const absl::StatusOr<std::string> replaced = ReplaceAll(*pattern_, held_, content_);
      next_->Text(replaced.ok() ? *replaced : held_);
      held_.clear();
    }
    next_->EndToken();
  }

 private:
  // Hands on all but an end that may turn out to begin a match.
  void ReplaceCertain(absl::string_view literal) {
    if (literal.empty()) return;
    size_t done = 0;
    for (size_t at = held_.find(literal.data(), 0, literal.size()); at != std::string::npos;
         at = held_.find(literal.data(), done, literal.size())) {
      next_->Text(absl::string_view(held_).substr(done, at - done));
      next_->Text(content_);
      done = at + literal.size();
    }
    size_t keep = std::min(held_.size() - done, literal.size() - 1);
    while (keep > 0 && !absl::EndsWith(held_, literal.substr(0, keep))) --keep;
    next_->Text(absl::string_view(held_).substr(done, held_.size() - keep - done));
    held_.erase(0, held_.size() - keep);
  }

  const Pattern* const pattern_;
  const std::string content_;
  std::string held_;
};

class ByteFallbackStep : public DecodeStep {
 public:
  using DecodeStep::DecodeStep;

  void Text(absl::string_view text) override { token_.append(text.data(), text.size()); }
  void EndToken() override {
    const int byte = ByteOfToken(token_);
    if (byte >= 0) {
      in_run_ = true;
      bytes_.push_back(static_cast<char>(byte));
      EmitCharacters();
    } else {
      EndRun();
      next_->Text(token_);
      next_->EndToken();
    }
    token_.clear();
  }
  void Finish() override {
    EndRun();
    next_->Finish();
  }

 private:
  // Hands on what does not depend on the bytes to come.
  void EmitCharacters() {
    const size_t certain = CompleteUtf8Prefix(bytes_);
    for (size_t pos = 0; pos < certain;) {
      const size_t begin = pos;
      NextChar(absl::string_view(bytes_).substr(0, certain), &pos);
      const absl::string_view character = absl::string_view(bytes_).substr(begin, pos - begin);
      if (IsValidUtf8(character)) {
        next_->Text(character);
      } else {
        for (size_t i = begin; i < pos; ++i) next_->Text(kReplacementCharacter);
      }
    }
    bytes_.erase(0, certain);
  }
  void EndRun() {
    if (!in_run_) return;
    for (size_t i = 0; i < bytes_.size(); ++i) next_->Text(kReplacementCharacter);
    bytes_.clear();
    in_run_ = false;
    next_->EndToken();
  }

  std::string token_;
  std::string bytes_;  // of a character that is not complete
  bool in_run_ = false;
};

class FuseStep : public DecodeStep {
 public:
  using DecodeStep::DecodeStep;
  void Text(absl::string_view text) override { next_->Text(text); }
  void EndToken() override {}
  void Finish() override {
    next_->EndToken();
    next_->Finish();
  }
};

class StripStep : public DecodeStep {
 public:
  StripStep(std::string content, int64_t start, int64_t stop, DecodeStep* next)
      : DecodeStep(next), content_(std::move(content)), start_(start), stop_(stop) {}

  void Text(absl::string_view text) override {
    while (at_front_ && !text.empty()) {
      if (stripped_ == start_ || !absl::StartsWith(text, content_)) {
        at_front_ = false;
      } else {
        text.remove_prefix(content_.size());
        ++stripped_;
      }
    }
    HoldEnd(text);
  }
  void EndToken() override {
    held_ = 0;
    at_front_ = true;
    stripped_ = 0;
    next_->EndToken();
  }

 private:
  // Holds back up to stop_ times the content that the token, as far as it is known, ends with.
  void HoldEnd(absl::string_view text) {
    int64_t tail = 0;
    absl::string_view head = text;
    while (tail < stop_ && absl::EndsWith(head, content_)) {
      head.remove_suffix(content_.size());
      ++tail;
    }
    const int64_t release = head.empty() ? std::max<int64_t>(0, held_ + tail - stop_) : held_;
    for (int64_t i = 0; i < release; ++i) next_->Text(content_);
    held_ = held_ - release + tail;
    next_->Text(head);
  }

  const std::string content_;  // one character
  const int64_t start_;
  const int64_t stop_;
  bool at_front_ = true;
  int64_t stripped_ = 0;  // from the front of this token
  int64_t held_ = 0;      // times the content
};

class ByteLevelStep : public DecodeStep {
 public:
  using DecodeStep::DecodeStep;

  void Text(absl::string_view text) override { token_.append(text.data(), text.size()); }
  void EndToken() override {
    if (!AppendFromByteLevel(token_, &bytes_)) bytes_ += token_;
    token_.clear();
    const size_t certain = CompleteUtf8Prefix(bytes_);
    next_->Text(ReplaceInvalidUtf8(absl::string_view(bytes_).substr(0, certain)));
    bytes_.erase(0, certain);
  }
  void Finish() override {
    next_->Text(ReplaceInvalidUtf8(bytes_));
    bytes_.clear();
    next_->EndToken();
    next_->Finish();
  }

 private:
  std::string token_;
  std::string bytes_;  // of a character that is not complete
};

class MetaspaceStep : public DecodeStep {
 public:
  MetaspaceStep(std::string mark, bool drop_first, DecodeStep* next)
      : DecodeStep(next), mark_(std::move(mark)), drop_(drop_first) {}

  void Text(absl::string_view text) override {
    next_->Text(absl::StrReplaceAll(text, {{mark_, drop_ ? "" : " "}}));
  }
  void EndToken() override {
    drop_ = false;
    next_->EndToken();
  }

 private:
  const std::string mark_;  // one character
  bool drop_;
};

class Sink : public DecodeStep {
 public:
  explicit Sink(std::string** out) : DecodeStep(nullptr), out_(out) {}
  void Text(absl::string_view text) override { (*out_)->append(text.data(), text.size()); }
  void EndToken() override {}
  void Finish() override {}

 private:
  std::string** const out_;
};

}  // namespace

int ByteOfToken(absl::string_view token) {
  if (token.size() != 6 || !absl::StartsWith(token, "<0x") || token[5] != '>') return -1;
  int byte = 0;
  for (const char c : token.substr(3, 2)) {
    const char* digits = "0123456789abcdef";
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    const size_t digit = absl::string_view(digits, 16).find(lower);
    if (digit == absl::string_view::npos) return -1;
    byte = byte * 16 + static_cast<int>(digit);
  }
  return byte;
}

std::unique_ptr<DecodeStep> NewJoinStep(std::string separator, DecodeStep* next) {
  return std::make_unique<JoinStep>(std::move(separator), next);
}
std::unique_ptr<DecodeStep> NewReplaceStep(const Pattern* pattern, std::string content,
                                           DecodeStep* next) {
  return std::make_unique<ReplaceStep>(pattern, std::move(content), next);
}
std::unique_ptr<DecodeStep> NewByteFallbackStep(DecodeStep* next) {
  return std::make_unique<ByteFallbackStep>(next);
}
std::unique_ptr<DecodeStep> NewFuseStep(DecodeStep* next) {
  return std::make_unique<FuseStep>(next);
}
std::unique_ptr<DecodeStep> NewStripStep(std::string content, int64_t start, int64_t stop,
                                         DecodeStep* next) {
  return std::make_unique<StripStep>(std::move(content), start, stop, next);
}
std::unique_ptr<DecodeStep> NewByteLevelStep(DecodeStep* next) {
  return std::make_unique<ByteLevelStep>(next);
}
std::unique_ptr<DecodeStep> NewMetaspaceStep(std::string mark, bool drop_first, DecodeStep* next) {
  return std::make_unique<MetaspaceStep>(std::move(mark), drop_first, next);
}
std::unique_ptr<DecodeStep> NewSink(std::string** out) { return std::make_unique<Sink>(out); }

}  // namespace gantry
