#include "model/text/decode_word_steps.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace gantry {
namespace {

// The `tokenizers` library's cleanup: one replacement after the other.
std::string CleanUp(std::string text) {
  static constexpr std::pair<const char*, const char*> kReplacements[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kReplacements) text = absl::StrReplaceAll(text, {{from, to}});
  return text;
}

// Collects tokens, to look at them whole.
class WholeTokenStep : public DecodeStep {
 public:
  using DecodeStep::DecodeStep;
  void Text(absl::string_view text) override { token_.append(text.data(), text.size()); }

 protected:
  std::string token_;
};

class WordPieceStep : public WholeTokenStep {
 public:
  WordPieceStep(std::string prefix, bool cleanup, DecodeStep* next)
      : WholeTokenStep(next), prefix_(std::move(prefix)), cleanup_(cleanup) {}

  void EndToken() override {
    next_->Text(WordPieceText(token_, prefix_, cleanup_, first_));
    next_->EndToken();
    token_.clear();
    first_ = false;
  }

 private:
  const std::string prefix_;
  const bool cleanup_;
  bool first_ = true;
};

class BpeStep : public WholeTokenStep {
 public:
  BpeStep(std::string suffix, DecodeStep* next)
      : WholeTokenStep(next), suffix_(std::move(suffix)) {}

  void EndToken() override {
    if (has_previous_) Emit(" ");
    previous_ = std::move(token_);
    token_.clear();
    has_previous_ = true;
  }
  void Finish() override {
    if (has_previous_) Emit("");
    has_previous_ = false;
    next_->Finish();
  }

 private:
  void Emit(absl::string_view in_place_of_suffix) {
    next_->Text(suffix_.empty() ? previous_
                                : absl::StrReplaceAll(previous_, {{suffix_, in_place_of_suffix}}));
    next_->EndToken();
  }

  const std::string suffix_;
  std::string previous_;  // it is not known whether it is the last
  bool has_previous_ = false;
};

}  // namespace

std::string WordPieceText(absl::string_view token, absl::string_view prefix, bool cleanup,
                          bool first) {
  const bool joined = first || absl::ConsumePrefix(&token, prefix);
  std::string text = absl::StrCat(joined ? "" : " ", token);
  return cleanup ? CleanUp(std::move(text)) : text;
}

std::unique_ptr<DecodeStep> NewWordPieceStep(std::string prefix, bool cleanup, DecodeStep* next) {
  return std::make_unique<WordPieceStep>(std::move(prefix), cleanup, next);
}
std::unique_ptr<DecodeStep> NewBpeStep(std::string suffix, DecodeStep* next) {
  return std::make_unique<BpeStep>(std::move(suffix), next);
}

}  // namespace gantry
