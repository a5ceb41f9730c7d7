#ifndef GANTRY_MODEL_TEXT_TOKENIZER_JSON_H_
#define GANTRY_MODEL_TEXT_TOKENIZER_JSON_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "model/text/tokenizer.h"

namespace gantry {

// A tokenizer from the content of a tokenizer.json. Errors begin with `origin`, the file's name.
// UNIMPLEMENTED names a kind of model, normalizer, pre-tokenizer, decoder or post-processor that is
// not supported; INVALID_ARGUMENT a file that contradicts itself. Padding and truncation are
// ignored.
absl::StatusOr<std::unique_ptr<Tokenizer>> ParseTokenizerJson(const Json& json,
                                                              absl::string_view origin);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_TOKENIZER_JSON_H_
