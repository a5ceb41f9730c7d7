#ifndef GANTRY_MODEL_TEXT_NORMALIZER_H_
#define GANTRY_MODEL_TEXT_NORMALIZER_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/text/flagged_text.h"

namespace gantry {

// The "normalizer" of a tokenizer.json. Immutable and thread-safe.
class Normalizer {
 public:
  // From null, BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled,
  // Prepend, Replace, Strip, StripAccents, or a Sequence of them; UNIMPLEMENTED names others.
  static absl::StatusOr<Normalizer> Parse(const Json* json);

  // Bytes that take the place of a user's are a user's. RESOURCE_EXHAUSTED when the text becomes
  // longer than kMaxExpandedBytes.
  absl::StatusOr<FlaggedText> Apply(FlaggedText text) const;

 private:
  using Step = std::function<absl::StatusOr<FlaggedText>(const FlaggedText&)>;
  static absl::StatusOr<Step> ParseStep(const Json& json, const std::string& kind);

  std::vector<Step> steps_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_NORMALIZER_H_
