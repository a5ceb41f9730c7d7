#ifndef GANTRY_MODEL_TEXT_DECODE_WORD_STEPS_H_
#define GANTRY_MODEL_TEXT_DECODE_WORD_STEPS_H_

#include <memory>
#include <string>

#include "model/text/decode_steps.h"

namespace gantry {

// The decoders of tokenizers that mark where words begin or end. `next` outlives a step.

// Puts a space before each token but the first, or takes its `prefix` away. `cleanup`: takes
// spaces before punctuation and English contractions away, within each token.
std::string WordPieceText(absl::string_view token, absl::string_view prefix, bool cleanup,
                          bool first);
std::unique_ptr<DecodeStep> NewWordPieceStep(std::string prefix, bool cleanup, DecodeStep* next);
// Makes `suffix` a space, and nothing in the last token.
std::unique_ptr<DecodeStep> NewBpeStep(std::string suffix, DecodeStep* next);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_DECODE_WORD_STEPS_H_
