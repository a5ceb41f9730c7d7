#ifndef GANTRY_MODEL_TEXT_POST_PROCESSOR_H_
#define GANTRY_MODEL_TEXT_POST_PROCESSOR_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace gantry {

// The "post_processor" of a tokenizer.json for one text: the ids put around it. Immutable.
struct PostProcessor {
  // From null, BertProcessing, RobertaProcessing, TemplateProcessing, ByteLevel (which changes no
  // ids), or a Sequence of them; UNIMPLEMENTED names others.
  static absl::StatusOr<PostProcessor> Parse(const Json* json);

  std::vector<int32_t> before;
  std::vector<int32_t> after;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_POST_PROCESSOR_H_
