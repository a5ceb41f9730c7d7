#ifndef GANTRY_MODEL_TEXT_DECODE_STEPS_H_
#define GANTRY_MODEL_TEXT_DECODE_STEPS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "model/text/pattern.h"

namespace gantry {

// One step of decoding: takes a stream of tokens' texts, and hands on a stream of its own as soon
// as that is certain. A token comes as any number of Text and then EndToken; all text is
// well-formed UTF-8. Finish comes last, between tokens.
class DecodeStep {
 public:
  explicit DecodeStep(DecodeStep* next) : next_(next) {}
  virtual ~DecodeStep() = default;
  virtual void Text(absl::string_view text) = 0;
  virtual void EndToken() { next_->EndToken(); }
  virtual void Finish() { next_->Finish(); }

 protected:
  DecodeStep* const next_;  // null at the end of the chain
};

// The steps of the `tokenizers` library's decoders. `next` outlives a step, and so do patterns.

// Puts `separator` between tokens.
std::unique_ptr<DecodeStep> NewJoinStep(std::string separator, DecodeStep* next);
// Replaces matches within each token.
std::unique_ptr<DecodeStep> NewReplaceStep(const Pattern* pattern, std::string content,
                                           DecodeStep* next);
// Makes runs of tokens "<0xNN>" the text that their bytes are. Each byte that is part of no
// character becomes U+FFFD; the library does that to every byte of a run with such a byte, and
// so cannot hand on any of a run before its end.
std::unique_ptr<DecodeStep> NewByteFallbackStep(DecodeStep* next);
// Makes all tokens one.
std::unique_ptr<DecodeStep> NewFuseStep(DecodeStep* next);
// Takes up to `start` characters `content` from the front of each token, up to `stop` from the end.
std::unique_ptr<DecodeStep> NewStripStep(std::string content, int64_t start, int64_t stop,
                                         DecodeStep* next);
// Makes all tokens one text, of the bytes that byte-level characters stand for. A token with other
// characters stands for itself. Ill-formed sequences become U+FFFD.
std::unique_ptr<DecodeStep> NewByteLevelStep(DecodeStep* next);
// Makes `mark` a space, or nothing in the first token if `drop_first`.
std::unique_ptr<DecodeStep> NewMetaspaceStep(std::string mark, bool drop_first, DecodeStep* next);
// Ends a chain: appends to *out, which may change between calls.
std::unique_ptr<DecodeStep> NewSink(std::string** out);

// The byte that "<0xNN>" stands for, -1 for another token.
int ByteOfToken(absl::string_view token);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_DECODE_STEPS_H_
