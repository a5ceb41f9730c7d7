// DecoderConfig::TokenBytes: what the steps of decode_steps.h and decode_word_steps.h do to one
// token, byte by byte and without regard to characters that end in another.

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/text/byte_level.h"
#include "model/text/decode_steps.h"
#include "model/text/decode_word_steps.h"
#include "model/text/decoder.h"

namespace gantry {

absl::Status DecoderConfig::CheckTokenByToken() const {
  // Which tokens the steps so far have made one.
  enum { kNone, kRunsOfBytes, kAll } joined = kNone;
  for (const Step& step : steps_) {
    bool whole = true;  // it looks at whole tokens
    switch (step.kind) {
      case Step::kFuse:
        joined = kAll;
        continue;
      case Step::kBpe:
        if (!step.content.empty()) {
          return absl::UnimplementedError(
              "the tokenizer's BPEDecoder writes a token otherwise if it is the last, so that a "
              "token's bytes are not known beforehand");
        }
        continue;
      case Step::kStrip:
        // One byte at the front of the text is the first token's alone.
        whole = joined != kAll || step.start > 1 || step.stop > 0 || step.content.size() > 1;
        break;
      default:
        break;
    }
    if (whole && joined != kNone) {
      return absl::UnimplementedError(
          "the tokenizer's decoder has a step behind its ByteFallback, ByteLevel or Fuse for which "
          "a token's bytes depend on the tokens around it");
    }
    if (step.kind == Step::kByteFallback) joined = kRunsOfBytes;
    if (step.kind == Step::kByteLevel) joined = kAll;
  }
  return absl::OkStatus();
}

std::string DecoderConfig::Apply(const Step& step, bool first, bool joined, std::string bytes) {
  switch (step.kind) {
    case Step::kJoin:
      return first ? bytes : absl::StrCat(step.content, bytes);
    case Step::kReplace: {
      if (bytes.empty()) return bytes;
      // As in decoding: the text stays where the expression passes its limits.
      absl::StatusOr<std::string> replaced = ReplaceAll(step.pattern, bytes, step.content);
      return replaced.ok() ? *std::move(replaced) : bytes;
    }
    case Step::kByteFallback: {
      const int byte = ByteOfToken(bytes);
      return byte < 0 ? bytes : std::string(1, static_cast<char>(byte));
    }
    case Step::kStrip: {
      if (joined && !first) return bytes;
      absl::string_view rest = bytes;
      for (int64_t i = 0; i < step.start && absl::ConsumePrefix(&rest, step.content); ++i) {
      }
      for (int64_t i = 0; i < step.stop && absl::ConsumeSuffix(&rest, step.content); ++i) {
      }
      return std::string(rest);
    }
    case Step::kByteLevel: {
      std::string raw;
      return AppendFromByteLevel(bytes, &raw) ? raw : bytes;
    }
    case Step::kMetaspace:
      return absl::StrReplaceAll(bytes, {{step.content, first && step.drop_first ? "" : " "}});
    case Step::kWordPiece:
      return WordPieceText(bytes, step.content, step.cleanup, first);
    case Step::kFuse:
    case Step::kBpe:  // its suffix is empty
      return bytes;
  }
  return bytes;
}

absl::StatusOr<std::string> DecoderConfig::TokenBytes(const std::string& text, bool first) const {
  GANTRY_RETURN_IF_ERROR(CheckTokenByToken());
  std::string bytes = text;
  bool joined = false;
  for (const Step& step : steps_) {
    bytes = Apply(step, first, joined, std::move(bytes));
    joined = joined || step.kind == Step::kFuse || step.kind == Step::kByteLevel;
  }
  return bytes;
}

}  // namespace gantry
