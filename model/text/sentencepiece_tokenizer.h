#ifndef GANTRY_MODEL_TEXT_SENTENCEPIECE_TOKENIZER_H_
#define GANTRY_MODEL_TEXT_SENTENCEPIECE_TOKENIZER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/text/tokenizer.h"

namespace gantry {

// As transformers' LlamaTokenizer reads its configuration.
struct SentencePieceOptions {
  bool add_bos = true;
  bool add_eos = false;
  // Text after a special token begins with a space, as at the start. transformers' "legacy".
  bool prefix_after_special = true;
};

// A tokenizer from the bytes of a tokenizer.model. Errors begin with `origin`, the file's name.
absl::StatusOr<std::unique_ptr<Tokenizer>> ParseSentencePieceTokenizer(
    absl::string_view bytes, const SentencePieceOptions& options, absl::string_view origin);

// From a folder's tokenizer.model and, where there is one, tokenizer_config.json.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadSentencePieceTokenizer(const std::string& folder);

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_SENTENCEPIECE_TOKENIZER_H_
