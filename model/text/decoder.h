#ifndef GANTRY_MODEL_TEXT_DECODER_H_
#define GANTRY_MODEL_TEXT_DECODER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/text/pattern.h"
#include "model/text/tokenizer.h"

namespace gantry {

// The "decoder" of a tokenizer.json: how the texts of tokens become text. Immutable and
// thread-safe; outlives the decoders it makes.
class DecoderConfig {
 public:
  // From null, BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip, WordPiece, or
  // a Sequence of them; UNIMPLEMENTED names others. Without a decoder tokens are joined by spaces.
  static absl::StatusOr<DecoderConfig> Parse(const Json* json);
  // That of Llama's sentencepiece models: U+2581 is a space, byte tokens are bytes, and the space
  // that encoding put first is taken away if `strip_first_space`.
  static DecoderConfig SentencePiece(bool strip_first_space);

  // The text of an id, or null for an id that has none or is to be skipped.
  using TokenText = std::function<const std::string*(int32_t id)>;
  std::unique_ptr<IdDecoder> NewIdDecoder(TokenText token_text) const;

  // The bytes that a token with this text adds, as the first token of a text or as a later one.
  // UNIMPLEMENTED where that can depend on other tokens.
  absl::StatusOr<std::string> TokenBytes(const std::string& text, bool first) const;

 private:
  struct Step {
    enum Kind {
      kJoin,
      kReplace,
      kByteFallback,
      kFuse,
      kStrip,
      kByteLevel,
      kMetaspace,
      kWordPiece,
      kBpe,
    } kind;
    Pattern pattern = Pattern::Literal("");  // of kReplace
    std::string content = {};  // what is put in or stripped, the metaspace, prefix or suffix
    int64_t start = 0;         // of kStrip: characters at most
    int64_t stop = 0;
    bool drop_first = false;  // of kMetaspace: the first token's marks are no spaces
    bool cleanup = false;     // of kWordPiece
  };
  static absl::StatusOr<Step> ParseStep(const Json& json, const std::string& kind);
  absl::Status CheckTokenByToken() const;
  // What `step` makes of one token; `joined`: of its share in all tokens as one.
  static std::string Apply(const Step& step, bool first, bool joined, std::string bytes);

  std::vector<Step> steps_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_DECODER_H_
