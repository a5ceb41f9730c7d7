#include "model/text/decoder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/decode_steps.h"
#include "model/text/decode_word_steps.h"
#include "model/text/json_kind.h"
#include "model/text/metaspace.h"

namespace gantry {
namespace {

class ChainDecoder : public IdDecoder {
 public:
  explicit ChainDecoder(DecoderConfig::TokenText token_text) : token_text_(std::move(token_text)) {
    Push(NewSink(&out_));
  }
  DecodeStep* first() { return steps_.back().get(); }
  void Push(std::unique_ptr<DecodeStep> step) { steps_.push_back(std::move(step)); }

  void Add(int32_t id, std::string* out) override {
    const std::string* text = token_text_(id);
    if (text == nullptr) return;
    out_ = out;
    first()->Text(*text);
    first()->EndToken();
  }
  void Finish(std::string* out) override {
    out_ = out;
    first()->Finish();
  }

 private:
  const DecoderConfig::TokenText token_text_;
  std::string* out_ = nullptr;
  std::vector<std::unique_ptr<DecodeStep>> steps_;  // from the last to the first
};

}  // namespace

DecoderConfig DecoderConfig::SentencePiece(bool strip_first_space) {
  DecoderConfig config;
  config.steps_.push_back({Step::kReplace, Pattern::Literal(Metaspace().replacement), " "});
  config.steps_.push_back({Step::kByteFallback});
  config.steps_.push_back({Step::kFuse});
  if (strip_first_space) config.steps_.push_back({Step::kStrip, Pattern::Literal(""), " ", 1, 0});
  return config;
}

absl::StatusOr<DecoderConfig> DecoderConfig::Parse(const Json* json) {
  DecoderConfig config;
  if (json == nullptr) config.steps_.push_back({Step::kJoin, Pattern::Literal(""), " "});
  GANTRY_RETURN_IF_ERROR(
      ForEachStep(json, "decoder", "decoders", [&](const Json& step, const std::string& kind) {
        absl::StatusOr<Step> parsed = ParseStep(step, kind);
        if (!parsed.ok()) return Annotate(parsed.status(), "decoder");
        config.steps_.push_back(*std::move(parsed));
        return absl::OkStatus();
      }));
  return config;
}

absl::StatusOr<DecoderConfig::Step> DecoderConfig::ParseStep(const Json& json,
                                                             const std::string& kind) {
  if (kind == "ByteFallback") return Step{Step::kByteFallback};
  if (kind == "ByteLevel") return Step{Step::kByteLevel};
  if (kind == "Fuse") return Step{Step::kFuse};
  if (kind == "BPEDecoder") {
    Step step = {Step::kBpe};
    GANTRY_ASSIGN_OR_RETURN(step.content, GetStringOr(json, "suffix", "</w>"));
    return step;
  }
  if (kind == "WordPiece") {
    Step step = {Step::kWordPiece};
    GANTRY_ASSIGN_OR_RETURN(step.content, GetStringOr(json, "prefix", "##"));
    GANTRY_ASSIGN_OR_RETURN(step.cleanup, GetBoolOr(json, "cleanup", true));
    return step;
  }
  if (kind == "Metaspace") {
    GANTRY_ASSIGN_OR_RETURN(const Metaspace options, ParseMetaspace(json));
    Step step = {Step::kMetaspace};
    step.content = options.replacement;
    step.drop_first = options.scheme != Metaspace::kNever;
    return step;
  }
  if (kind == "Replace") {
    const Json* pattern = FindMember(json, "pattern");
    if (pattern == nullptr) return absl::InvalidArgumentError("Replace: no pattern");
    Step step = {Step::kReplace};
    GANTRY_ASSIGN_OR_RETURN(step.pattern, Pattern::Parse(*pattern));
    GANTRY_ASSIGN_OR_RETURN(step.content, GetString(json, "content"));
    return step;
  }
  if (kind == "Strip") {
    Step step = {Step::kStrip};
    GANTRY_ASSIGN_OR_RETURN(step.content, GetCharacter(json, "content"));
    GANTRY_ASSIGN_OR_RETURN(step.start, GetInt(json, "start", 0, 1 << 20));
    GANTRY_ASSIGN_OR_RETURN(step.stop, GetInt(json, "stop", 0, 1 << 20));
    return step;
  }
  return UnsupportedKind("kind", kind,
                         "BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace, "
                         "Sequence, Strip, WordPiece");
}

std::unique_ptr<IdDecoder> DecoderConfig::NewIdDecoder(TokenText token_text) const {
  auto decoder = std::make_unique<ChainDecoder>(std::move(token_text));
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    DecodeStep* next = decoder->first();
    switch (step->kind) {
      case Step::kJoin:
        decoder->Push(NewJoinStep(step->content, next));
        break;
      case Step::kReplace:
        decoder->Push(NewReplaceStep(&step->pattern, step->content, next));
        break;
      case Step::kByteFallback:
        decoder->Push(NewByteFallbackStep(next));
        break;
      case Step::kFuse:
        decoder->Push(NewFuseStep(next));
        break;
      case Step::kStrip:
        decoder->Push(NewStripStep(step->content, step->start, step->stop, next));
        break;
      case Step::kByteLevel:
        decoder->Push(NewByteLevelStep(next));
        break;
      case Step::kMetaspace:
        decoder->Push(NewMetaspaceStep(step->content, step->drop_first, next));
        break;
      case Step::kWordPiece:
        decoder->Push(NewWordPieceStep(step->content, step->cleanup, next));
        break;
      case Step::kBpe:
        decoder->Push(NewBpeStep(step->content, next));
        break;
    }
  }
  return decoder;
}

}  // namespace gantry
