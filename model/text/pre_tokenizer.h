#ifndef GANTRY_MODEL_TEXT_PRE_TOKENIZER_H_
#define GANTRY_MODEL_TEXT_PRE_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/text/pieces.h"

namespace gantry {

// The "pre_tokenizer" of a tokenizer.json: cuts text into pieces. Immutable and thread-safe.
class PreTokenizer {
 public:
  // One kind of cut or rewriting.
  class Step {
   public:
    virtual ~Step() = default;
    virtual absl::StatusOr<Pieces> Apply(const Pieces& pieces) const = 0;
  };

  // From null, BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation,
  // Split, Whitespace, WhitespaceSplit, or a Sequence of them; UNIMPLEMENTED names others.
  static absl::StatusOr<PreTokenizer> Parse(const Json* json);

  // RESOURCE_EXHAUSTED when an expression passes its limits or the text becomes longer than
  // kMaxExpandedBytes.
  absl::StatusOr<Pieces> Apply(Pieces pieces) const;

 private:
  std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_PRE_TOKENIZER_H_
