#ifndef GANTRY_MODEL_TEXT_NORMALIZER_H_
#define GANTRY_MODEL_TEXT_NORMALIZER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/text/flagged_text.h"
#include "model/text/pattern.h"

namespace gantry {

// The "normalizer" of a tokenizer.json. Immutable and thread-safe.
class Normalizer {
 public:
  // From null, Prepend, Replace, NFC, or a Sequence of them; UNIMPLEMENTED names others.
  static absl::StatusOr<Normalizer> Parse(const Json* json);

  // Bytes that take the place of a user's are a user's. RESOURCE_EXHAUSTED when the text becomes
  // longer than kMaxExpandedBytes.
  absl::StatusOr<FlaggedText> Apply(FlaggedText text) const;

 private:
  struct Step {
    enum Kind { kPrepend, kReplace, kNfc } kind;
    Pattern pattern;      // of kReplace
    std::string content;  // of kPrepend and kReplace
  };
  static absl::Status AddStep(const Json& json, const std::string& kind, Normalizer* normalizer);
  static absl::StatusOr<FlaggedText> ApplyStep(const Step& step, FlaggedText text);

  std::vector<Step> steps_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_NORMALIZER_H_
