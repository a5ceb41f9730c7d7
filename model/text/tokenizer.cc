#include "model/text/tokenizer.h"

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json.h"
#include "model/text/sentencepiece_tokenizer.h"
#include "model/text/tokenizer_json.h"

namespace gantry {

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& folder) {
  const std::string json_path = JoinPath(folder, "tokenizer.json");
  if (FileExists(json_path)) {
    absl::StatusOr<Json> json = ReadJsonFile(json_path);
    if (!json.ok()) return json.status();
    return ParseTokenizerJson(*json, json_path);
  }
  if (FileExists(JoinPath(folder, "tokenizer.model"))) return LoadSentencePieceTokenizer(folder);
  return absl::NotFoundError(
      absl::StrCat(folder, ": expected tokenizer.json or tokenizer.model, found neither"));
}

std::string Tokenizer::Decode(absl::Span<const int32_t> ids, bool skip_special_tokens) const {
  std::string text;
  const std::unique_ptr<IdDecoder> decoder = NewIdDecoder(skip_special_tokens);
  for (const int32_t id : ids) decoder->Add(id, &text);
  decoder->Finish(&text);
  return text;
}

std::string TextStream::Add(int32_t id) {
  std::string text;
  decoder_->Add(id, &text);
  return text;
}

std::string TextStream::Finish() {
  std::string text;
  decoder_->Finish(&text);
  return text;
}

}  // namespace gantry
