// DecoderConfig::TokenBytes: what the steps of decode_steps.h do to one token, byte by byte and
// without regard to characters that end in another.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "model/text/byte_level.h"
#include "model/text/decode_steps.h"
#include "model/text/decoder.h"

namespace gantry {

absl::Status DecoderConfig::Apply(const Step& step, bool first, bool* fused, std::string* bytes) {
  const auto unsupported = [](absl::string_view what) {
    return absl::UnimplementedError(
        absl::StrCat("the tokenizer's decoder has ", what,
                     ", so that a token's bytes depend on the tokens around it"));
  };
  switch (step.kind) {
    case Step::kJoin:
      if (!first) bytes->insert(0, step.content);
      break;
    case Step::kReplace: {
      if (*fused) return unsupported("a Replace behind a Fuse or ByteLevel");
      // As in decoding: the text stays where the expression passes its limits.
      const absl::StatusOr<std::string> replaced = ReplaceAll(step.pattern, *bytes, step.content);
      if (replaced.ok()) *bytes = *replaced;
      break;
    }
    case Step::kByteFallback:
      if (const int byte = ByteOfToken(*bytes); byte >= 0) bytes->assign(1, byte);
      break;
    case Step::kFuse:
      *fused = true;
      break;
    case Step::kStrip: {
      if (*fused && (step.start > 1 || step.stop > 0)) {
        return unsupported("a Strip of more than one character behind a Fuse or ByteLevel");
      }
      absl::string_view rest = *bytes;
      for (int64_t i = 0; i < step.start && (first || !*fused); ++i) {
        if (absl::StartsWith(rest, step.content)) rest.remove_prefix(step.content.size());
      }
      for (int64_t i = 0; i < step.stop && absl::EndsWith(rest, step.content); ++i) {
        rest.remove_suffix(step.content.size());
      }
      *bytes = std::string(rest);
      break;
    }
    case Step::kByteLevel: {
      std::string raw;
      if (AppendFromByteLevel(*bytes, &raw)) *bytes = raw;
      *fused = true;
      break;
    }
    case Step::kMetaspace:
      *bytes = absl::StrReplaceAll(*bytes, {{step.content, first && step.drop_first ? "" : " "}});
      break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> DecoderConfig::TokenBytes(const std::string& text, bool first) const {
  std::string bytes = text;
  bool fused = false;
  for (const Step& step : steps_) GANTRY_RETURN_IF_ERROR(Apply(step, first, &fused, &bytes));
  return bytes;
}

}  // namespace gantry
