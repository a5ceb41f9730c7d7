#include "model/text/normalizer.h"

#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/character_normalizers.h"
#include "model/text/charsmap.h"
#include "model/text/json_kind.h"
#include "model/text/limits.h"
#include "model/text/pattern.h"
#include "model/text/unicode_form.h"

namespace gantry {
namespace {

FlaggedText Prepend(absl::string_view content, const FlaggedText& text) {
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

absl::StatusOr<Charsmap> ParsePrecompiled(const Json& json) {
  GANTRY_ASSIGN_OR_RETURN(const std::string base64, GetString(json, "precompiled_charsmap"));
  std::string bytes;
  if (!absl::Base64Unescape(base64, &bytes)) {
    return absl::InvalidArgumentError("precompiled_charsmap: not base64");
  }
  return Charsmap::Parse(bytes);
}

absl::StatusOr<BertOptions> ParseBert(const Json& json) {
  BertOptions options;
  GANTRY_ASSIGN_OR_RETURN(options.clean_text, GetBoolOr(json, "clean_text", true));
  GANTRY_ASSIGN_OR_RETURN(options.handle_chinese_chars,
                          GetBoolOr(json, "handle_chinese_chars", true));
  GANTRY_ASSIGN_OR_RETURN(options.lowercase, GetBoolOr(json, "lowercase", true));
  GANTRY_ASSIGN_OR_RETURN(options.strip_accents,
                          GetBoolOr(json, "strip_accents", options.lowercase));
  return options;
}

}  // namespace

absl::StatusOr<Normalizer> Normalizer::Parse(const Json* json) {
  Normalizer normalizer;
  GANTRY_RETURN_IF_ERROR(ForEachStep(json, "normalizer", "normalizers",
                                     [&](const Json& step, const std::string& kind) {
                                       absl::StatusOr<Step> parsed = ParseStep(step, kind);
                                       if (!parsed.ok())
                                         return Annotate(parsed.status(), "normalizer");
                                       normalizer.steps_.push_back(*std::move(parsed));
                                       return absl::OkStatus();
                                     }));
  return normalizer;
}

absl::StatusOr<Normalizer::Step> Normalizer::ParseStep(const Json& json, const std::string& kind) {
  using FormOf = std::pair<const char*, UnicodeForm>;
  for (const auto& [name, form] :
       {FormOf("NFC", UnicodeForm::kNfc), FormOf("NFD", UnicodeForm::kNfd),
        FormOf("NFKC", UnicodeForm::kNfkc), FormOf("NFKD", UnicodeForm::kNfkd)}) {
    if (kind != name) continue;
    return Step([form = form](const FlaggedText& text) { return ToUnicodeForm(form, text); });
  }
  if (kind == "Lowercase") return Step(Lowercase);
  if (kind == "StripAccents") return Step(StripAccents);
  if (kind == "Nmt") return Step(Nmt);
  if (kind == "ByteLevel") return Step(ToByteLevel);
  if (kind == "Strip") {
    GANTRY_ASSIGN_OR_RETURN(const bool left, GetBoolOr(json, "strip_left", true));
    GANTRY_ASSIGN_OR_RETURN(const bool right, GetBoolOr(json, "strip_right", true));
    return Step([left, right](const FlaggedText& text) { return Strip(text, left, right); });
  }
  if (kind == "BertNormalizer") {
    GANTRY_ASSIGN_OR_RETURN(const BertOptions options, ParseBert(json));
    return Step([options](const FlaggedText& text) { return BertNormalize(options, text); });
  }
  if (kind == "Precompiled") {
    GANTRY_ASSIGN_OR_RETURN(Charsmap parsed, ParsePrecompiled(json));
    const auto map = std::make_shared<const Charsmap>(std::move(parsed));
    return Step([map](const FlaggedText& text) { return map->Apply(text); });
  }
  if (kind == "Prepend") {
    GANTRY_ASSIGN_OR_RETURN(const std::string content, GetString(json, "prepend"));
    return Step([content](const FlaggedText& text) { return Prepend(content, text); });
  }
  if (kind == "Replace") {
    const Json* pattern_json = FindMember(json, "pattern");
    if (pattern_json == nullptr) return absl::InvalidArgumentError("Replace: no pattern");
    GANTRY_ASSIGN_OR_RETURN(Pattern parsed, Pattern::Parse(*pattern_json));
    const auto pattern = std::make_shared<const Pattern>(std::move(parsed));
    GANTRY_ASSIGN_OR_RETURN(const std::string content, GetString(json, "content"));
    return Step(
        [pattern, content](const FlaggedText& text) { return Replace(*pattern, content, text); });
  }
  return UnsupportedKind("kind", kind,
                         "BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, "
                         "Precompiled, Prepend, Replace, Sequence, Strip, StripAccents");
}

absl::StatusOr<FlaggedText> Normalizer::Apply(FlaggedText text) const {
  for (const Step& step : steps_) {
    GANTRY_ASSIGN_OR_RETURN(text, step(text));
    if (text.text.size() > kMaxExpandedBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("normalizer: text becomes longer than ", kMaxExpandedBytes, " bytes"));
    }
  }
  return text;
}

}  // namespace gantry
