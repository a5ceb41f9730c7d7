#ifndef GANTRY_MODEL_TEXT_TOKENIZER_H_
#define GANTRY_MODEL_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/text/marked_text.h"

namespace gantry {

// The text of one stream of ids, as far as it is certain.
class IdDecoder {
 public:
  virtual ~IdDecoder() = default;
  // Append text to `out` that is well-formed UTF-8 and final. Add after Finish is not allowed.
  virtual void Add(int32_t id, std::string* out) = 0;
  virtual void Finish(std::string* out) = 0;
};

// Text <-> token ids. Immutable and thread-safe once loaded.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // From tokenizer.json, or tokenizer.model where there is none. UNIMPLEMENTED names a kind that is
  // not supported.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& folder);

  // INVALID_ARGUMENT for text that is not UTF-8. `add_special_tokens` applies the post-processor
  // (BOS and the like). Added and special tokens are found in the text as the `tokenizers` library
  // finds them, except where a match would touch bytes that `text` marks as typed by a user.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(const MarkedText& text,
                                                      bool add_special_tokens) const = 0;
  // The decoded text. Ids out of the vocabulary are skipped, bytes that form no character become
  // U+FFFD.
  std::string Decode(absl::Span<const int32_t> ids, bool skip_special_tokens) const;
  // The same text, id by id. The decoder must not outlive the tokenizer.
  virtual std::unique_ptr<IdDecoder> NewIdDecoder(bool skip_special_tokens) const = 0;
  // The bytes that a token adds to a decoded text, as its first token or as a later one; empty for
  // an id without text. UNIMPLEMENTED where they depend on the tokens around it.
  virtual absl::StatusOr<std::string> TokenBytes(int32_t id, bool first) const = 0;

  // Ids that the tokenizer knows are [0, vocab_size()); a model may have more rows.
  virtual int32_t vocab_size() const = 0;
  virtual bool IsSpecial(int32_t id) const = 0;
  // "<s>" -> 1; -1 if there is no such token.
  virtual int32_t TokenId(absl::string_view token) const = 0;
};

// Decodes a stream of ids. What Add and Finish return, joined, is Decode(all ids); what Add returns
// never ends within a character, and is never taken back.
class TextStream {
 public:
  // `tokenizer` outlives the stream.
  TextStream(const Tokenizer* tokenizer, bool skip_special_tokens)
      : decoder_(tokenizer->NewIdDecoder(skip_special_tokens)) {}
  // The text that the id makes certain; often empty within a character.
  std::string Add(int32_t id);
  // What was held back.
  std::string Finish();

 private:
  std::unique_ptr<IdDecoder> decoder_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_TOKENIZER_H_
