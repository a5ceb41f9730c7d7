#include "model/text/normalizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/json_kind.h"
#include "model/text/limits.h"
#include "model/text/nfc.h"

namespace gantry {
namespace {

absl::StatusOr<FlaggedText> Prepend(absl::string_view content, const FlaggedText& text) {
  FlaggedText out;
  if (text.text.empty()) return out;
  out.Append(content, /*is_user=*/false);
  out.Append(text, 0, text.text.size());
  return out;
}

absl::StatusOr<FlaggedText> Replace(const Pattern& pattern, absl::string_view content,
                                    const FlaggedText& text) {
  FlaggedText out;
  if (text.user.empty()) {
    GANTRY_ASSIGN_OR_RETURN(out.text, ReplaceAll(pattern, text.text, content));
    return out;
  }
  Pattern::Scratch scratch;
  size_t done = 0;
  GANTRY_RETURN_IF_ERROR(pattern.FindAll(text.text, &scratch, [&](size_t begin, size_t end) {
    bool is_user = false;
    for (size_t i = begin; i < end; ++i) is_user = is_user || text.IsUser(i);
    out.Append(text, done, begin);
    out.Append(content, is_user);
    done = end;
    if (out.text.size() > kMaxExpandedBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("text becomes longer than ", kMaxExpandedBytes, " bytes"));
    }
    return absl::OkStatus();
  }));
  out.Append(text, done, text.text.size());
  return out;
}

// Where composition changed something it is not known which byte came from which: what is not the
// same at either end of the change is a user's.
FlaggedText Nfc(const FlaggedText& text) {
  FlaggedText out;
  const std::string normal = ToNfc(text.text);
  if (text.user.empty() || normal == text.text) {
    out.text = normal;
    out.user = text.user;
    return out;
  }
  const size_t shorter = std::min(normal.size(), text.text.size());
  size_t prefix = 0;
  while (prefix < shorter && normal[prefix] == text.text[prefix]) ++prefix;
  size_t suffix = 0;
  while (suffix < shorter - prefix &&
         normal[normal.size() - 1 - suffix] == text.text[text.text.size() - 1 - suffix]) {
    ++suffix;
  }
  out.Append(text, 0, prefix);
  out.Append(absl::string_view(normal).substr(prefix, normal.size() - prefix - suffix),
             /*is_user=*/true);
  out.Append(text, text.text.size() - suffix, text.text.size());
  return out;
}

}  // namespace

absl::StatusOr<Normalizer> Normalizer::Parse(const Json* json) {
  Normalizer normalizer;
  GANTRY_RETURN_IF_ERROR(ForEachStep(
      json, "normalizer", "normalizers", [&](const Json& step, const std::string& kind) {
        return Annotate(AddStep(step, kind, &normalizer), "normalizer");
      }));
  return normalizer;
}

absl::Status Normalizer::AddStep(const Json& json, const std::string& kind,
                                 Normalizer* normalizer) {
  if (kind == "NFC") {
    normalizer->steps_.push_back({Step::kNfc, Pattern::Literal(""), ""});
    return absl::OkStatus();
  }
  if (kind == "Prepend") {
    GANTRY_ASSIGN_OR_RETURN(std::string content, GetString(json, "prepend"));
    normalizer->steps_.push_back({Step::kPrepend, Pattern::Literal(""), std::move(content)});
    return absl::OkStatus();
  }
  if (kind == "Replace") {
    const Json* pattern_json = FindMember(json, "pattern");
    if (pattern_json == nullptr) return absl::InvalidArgumentError("Replace: no pattern");
    GANTRY_ASSIGN_OR_RETURN(Pattern pattern, Pattern::Parse(*pattern_json));
    GANTRY_ASSIGN_OR_RETURN(std::string content, GetString(json, "content"));
    normalizer->steps_.push_back({Step::kReplace, std::move(pattern), std::move(content)});
    return absl::OkStatus();
  }
  return UnsupportedKind("kind", kind, "NFC, Prepend, Replace, Sequence");
}

absl::StatusOr<FlaggedText> Normalizer::ApplyStep(const Step& step, FlaggedText text) {
  switch (step.kind) {
    case Step::kPrepend:
      return Prepend(step.content, text);
    case Step::kReplace:
      return Replace(step.pattern, step.content, text);
    case Step::kNfc:
      return Nfc(text);
  }
  return absl::InternalError("normalizer: no such step");
}

absl::StatusOr<FlaggedText> Normalizer::Apply(FlaggedText text) const {
  for (const Step& step : steps_) {
    GANTRY_ASSIGN_OR_RETURN(text, ApplyStep(step, std::move(text)));
    if (text.text.size() > kMaxExpandedBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("normalizer: text becomes longer than ", kMaxExpandedBytes, " bytes"));
    }
  }
  return text;
}

}  // namespace gantry
