#include "model/text/pre_tokenizer.h"

#include <functional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/byte_level.h"
#include "model/text/characters.h"
#include "model/text/json_kind.h"
#include "model/text/limits.h"
#include "model/text/metaspace.h"
#include "model/text/pattern.h"
#include "model/text/split_behavior.h"

namespace gantry {
namespace {

using Step = PreTokenizer::Step;
using StepOr = absl::StatusOr<std::unique_ptr<Step>>;

class MetaspaceStep : public Step {
 public:
  explicit MetaspaceStep(Metaspace options)
      : options_(std::move(options)), mark_(Pattern::Literal(options_.replacement)) {}

  absl::StatusOr<Pieces> Apply(const Pieces& pieces) const override {
    Pattern::Scratch scratch;
    Pieces out(pieces.IsFirst(0));
    for (size_t i = 0; i < pieces.count(); ++i) {
      std::string text = absl::StrReplaceAll(pieces.piece(i), {{" ", options_.replacement}});
      const bool prepend = options_.scheme == Metaspace::kAlways ||
                           (options_.scheme == Metaspace::kFirst && pieces.IsFirst(i));
      if (prepend && !absl::StartsWith(text, options_.replacement)) {
        text.insert(0, options_.replacement);
      }
      if (options_.split) {
        Splitter splitter(text, SplitBehavior::kMergedWithNext, /*invert=*/false, &out);
        GANTRY_RETURN_IF_ERROR(mark_.FindAll(text, &scratch, [&](size_t begin, size_t end) {
          splitter.Match(begin, end);
          return absl::OkStatus();
        }));
        splitter.Finish();
      } else {
        out.AppendText(text);
        out.EndPiece();
      }
    }
    return out;
  }

 private:
  const Metaspace options_;
  const Pattern mark_;
};

class SplitStep : public Step {
 public:
  SplitStep(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  absl::StatusOr<Pieces> Apply(const Pieces& pieces) const override {
    Pattern::Scratch scratch;
    Pieces out(pieces.IsFirst(0));
    for (size_t i = 0; i < pieces.count(); ++i) {
      Splitter splitter(pieces.piece(i), behavior_, invert_, &out);
      GANTRY_RETURN_IF_ERROR(
          pattern_.FindAll(pieces.piece(i), &scratch, [&](size_t begin, size_t end) {
            splitter.Match(begin, end);
            return absl::OkStatus();
          }));
      splitter.Finish();
    }
    return out;
  }

 private:
  const Pattern pattern_;
  const SplitBehavior behavior_;
  const bool invert_;
};

// Cuts at characters of a kind.
class CharacterStep : public Step {
 public:
  using Predicate = std::function<bool(char32_t)>;
  CharacterStep(Predicate matches, SplitBehavior behavior)
      : matches_(std::move(matches)), behavior_(behavior) {}

  absl::StatusOr<Pieces> Apply(const Pieces& pieces) const override {
    Pieces out(pieces.IsFirst(0));
    for (size_t i = 0; i < pieces.count(); ++i) {
      const absl::string_view text = pieces.piece(i);
      Splitter splitter(text, behavior_, /*invert=*/false, &out);
      for (size_t pos = 0; pos < text.size();) {
        const size_t begin = pos;
        if (matches_(NextChar(text, &pos))) splitter.Match(begin, pos);
      }
      splitter.Finish();
    }
    return out;
  }

 private:
  const Predicate matches_;
  const SplitBehavior behavior_;
};

// Cuts into runs of word characters and runs of others, without white space: \w+|[^\w\s]+.
class WordStep : public Step {
 public:
  absl::StatusOr<Pieces> Apply(const Pieces& pieces) const override {
    Pieces out(pieces.IsFirst(0));
    for (size_t i = 0; i < pieces.count(); ++i) {
      const absl::string_view text = pieces.piece(i);
      enum { kSpace, kWord, kOther } previous = kSpace;
      for (size_t pos = 0; pos < text.size();) {
        const size_t begin = pos;
        const char32_t c = NextChar(text, &pos);
        const auto kind = IsWordCharacter(c) ? kWord : IsSpace(c) ? kSpace : kOther;
        if (kind != previous) out.EndPiece();
        if (kind != kSpace) {
          out.AppendText(text.substr(begin, pos - begin));
        } else if (begin == 0) {
          out.ClearAtStart();
        }
        previous = kind;
      }
      out.EndPiece();
    }
    return out;
  }
};

// Puts a space before each piece that does not begin with one.
class PrefixSpaceStep : public Step {
 public:
  absl::StatusOr<Pieces> Apply(const Pieces& pieces) const override {
    Pieces out(pieces.IsFirst(0));
    for (size_t i = 0; i < pieces.count(); ++i) {
      if (!absl::StartsWith(pieces.piece(i), " ")) out.AppendText(" ");
      out.AppendText(pieces.piece(i));
      out.EndPiece();
    }
    return out;
  }
};

class ByteLevelStep : public Step {
 public:
  absl::StatusOr<Pieces> Apply(const Pieces& pieces) const override {
    Pieces out(pieces.IsFirst(0));
    std::string text;
    for (size_t i = 0; i < pieces.count(); ++i) {
      text.clear();
      AppendByteLevel(pieces.piece(i), &text);
      out.AppendText(text);
      out.EndPiece();
    }
    return out;
  }
};

StepOr ParseSplit(const Json& json) {
  const Json* pattern_json = FindMember(json, "pattern");
  if (pattern_json == nullptr) return absl::InvalidArgumentError("no pattern");
  GANTRY_ASSIGN_OR_RETURN(Pattern pattern, Pattern::Parse(*pattern_json));
  GANTRY_ASSIGN_OR_RETURN(const std::string name, GetString(json, "behavior"));
  GANTRY_ASSIGN_OR_RETURN(const SplitBehavior behavior, ParseSplitBehavior(name));
  GANTRY_ASSIGN_OR_RETURN(const bool invert, GetBoolOr(json, "invert", false));
  return std::make_unique<SplitStep>(std::move(pattern), behavior, invert);
}

absl::Status AddByteLevel(const Json& json, std::vector<std::unique_ptr<Step>>* steps) {
  GANTRY_ASSIGN_OR_RETURN(const bool prefix, GetBoolOr(json, "add_prefix_space", true));
  GANTRY_ASSIGN_OR_RETURN(const bool use_regex, GetBoolOr(json, "use_regex", true));
  if (prefix) steps->push_back(std::make_unique<PrefixSpaceStep>());
  if (use_regex) {
    GANTRY_ASSIGN_OR_RETURN(Pattern pattern, Pattern::Regex(kGpt2Expression));
    steps->push_back(std::make_unique<SplitStep>(std::move(pattern), SplitBehavior::kIsolated,
                                                 /*invert=*/false));
  }
  steps->push_back(std::make_unique<ByteLevelStep>());
  return absl::OkStatus();
}

absl::Status AddStep(const Json& json, const std::string& kind,
                     std::vector<std::unique_ptr<Step>>* steps) {
  if (kind == "ByteLevel") return AddByteLevel(json, steps);
  if (kind == "Metaspace") {
    GANTRY_ASSIGN_OR_RETURN(Metaspace options, ParseMetaspace(json));
    steps->push_back(std::make_unique<MetaspaceStep>(std::move(options)));
    return absl::OkStatus();
  }
  const auto cut = [&](CharacterStep::Predicate matches, SplitBehavior behavior) {
    steps->push_back(std::make_unique<CharacterStep>(std::move(matches), behavior));
    return absl::OkStatus();
  };
  if (kind == "Digits") {
    GANTRY_ASSIGN_OR_RETURN(const bool individual, GetBoolOr(json, "individual_digits", false));
    return cut(IsNumber, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  if (kind == "Punctuation") {
    GANTRY_ASSIGN_OR_RETURN(const std::string name, GetStringOr(json, "behavior", "Isolated"));
    GANTRY_ASSIGN_OR_RETURN(const SplitBehavior behavior, ParseSplitBehavior(name));
    return cut(IsPunctuation, behavior);
  }
  if (kind == "CharDelimiterSplit") {
    GANTRY_ASSIGN_OR_RETURN(const std::string delimiter, GetCharacter(json, "delimiter"));
    size_t pos = 0;
    const char32_t character = NextChar(delimiter, &pos);
    return cut([character](char32_t c) { return c == character; }, SplitBehavior::kRemoved);
  }
  if (kind == "WhitespaceSplit") return cut(IsSpace, SplitBehavior::kRemoved);
  if (kind == "BertPreTokenizer") {
    GANTRY_RETURN_IF_ERROR(cut(IsSpace, SplitBehavior::kRemoved));
    return cut(IsPunctuation, SplitBehavior::kIsolated);
  }
  if (kind == "Whitespace") {
    steps->push_back(std::make_unique<WordStep>());
    return absl::OkStatus();
  }
  if (kind == "Split") {
    GANTRY_ASSIGN_OR_RETURN(std::unique_ptr<Step> step, ParseSplit(json));
    steps->push_back(std::move(step));
    return absl::OkStatus();
  }
  return UnsupportedKind("kind", kind,
                         "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, "
                         "Punctuation, Sequence, Split, Whitespace, WhitespaceSplit");
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::Parse(const Json* json) {
  PreTokenizer result;
  GANTRY_RETURN_IF_ERROR(ForEachStep(
      json, "pre_tokenizer", "pretokenizers", [&](const Json& step, const std::string& kind) {
        return Annotate(AddStep(step, kind, &result.steps_), "pre_tokenizer");
      }));
  return result;
}

absl::StatusOr<Pieces> PreTokenizer::Apply(Pieces pieces) const {
  for (const std::unique_ptr<Step>& step : steps_) {
    GANTRY_ASSIGN_OR_RETURN(pieces, step->Apply(pieces));
    if (pieces.bytes() > kMaxExpandedBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("pre_tokenizer: text becomes longer than ", kMaxExpandedBytes, " bytes"));
    }
  }
  return pieces;
}

}  // namespace gantry
