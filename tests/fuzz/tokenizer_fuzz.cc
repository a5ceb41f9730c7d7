// tokenizer.json up to the first NUL, then text; a model that begins with "spm:" is a
// tokenizer.model in front of the last NUL.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "base/json.h"
#include "base/utf8.h"
#include "model/text/sentencepiece_tokenizer.h"
#include "model/text/tokenizer_json.h"

namespace gantry {
namespace {

absl::StatusOr<std::unique_ptr<Tokenizer>> Make(absl::string_view model) {
  if (absl::ConsumePrefix(&model, "spm:")) {
    return ParseSentencePieceTokenizer(model, SentencePieceOptions(), "fuzz");
  }
  absl::StatusOr<Json> json = ParseJson(model, "fuzz");
  if (!json.ok()) return json.status();
  return ParseTokenizerJson(*json, "fuzz");
}

void Check(bool condition) {
  if (!condition) std::abort();
}

void Run(const Tokenizer& tokenizer, const MarkedText& text) {
  const absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text, true);
  if (!ids.ok()) return;
  TextStream stream(&tokenizer, false);
  std::string joined;
  for (const int32_t id : *ids) {
    Check(id >= 0 && id < tokenizer.vocab_size());
    const std::string piece = stream.Add(id);
    Check(IsValidUtf8(piece));
    joined += piece;
  }
  joined += stream.Finish();
  Check(joined == tokenizer.Decode(*ids, false));
}

}  // namespace
}  // namespace gantry

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const bool binary = absl::StartsWith(input, "spm:");
  const size_t nul = binary ? input.rfind('\0') : input.find('\0');
  const auto tokenizer = gantry::Make(input.substr(0, nul));
  if (!tokenizer.ok() || nul == absl::string_view::npos) return 0;
  gantry::MarkedText text{std::string(input.substr(nul + 1))};
  gantry::Run(**tokenizer, text);
  if (text.text.size() >= 2) text.user = {{text.text.size() / 2, text.text.size()}};
  gantry::Run(**tokenizer, text);
  return 0;
}
