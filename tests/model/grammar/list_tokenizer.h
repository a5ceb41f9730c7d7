#ifndef GANTRY_TESTS_MODEL_GRAMMAR_LIST_TOKENIZER_H_
#define GANTRY_TESTS_MODEL_GRAMMAR_LIST_TOKENIZER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/grammar/grammar.h"
#include "model/text/tokenizer.h"

namespace gantry {

// A vocabulary without a way to encode: ids 0 to 255 are bytes, or nothing from `bytes` on; then
// come `tokens`, then an end token.
class ListTokenizer : public Tokenizer {
 public:
  explicit ListTokenizer(std::vector<std::string> tokens, int bytes = 256) {
    for (int byte = 0; byte < 256; ++byte) {
      tokens_.emplace_back(byte < bytes ? 1 : 0, static_cast<char>(byte));
    }
    for (std::string& token : tokens) tokens_.push_back(std::move(token));
  }
  int32_t end() const { return static_cast<int32_t>(tokens_.size()); }
  static ByteSet AllBytes() { return ByteSet().set(); }

  absl::StatusOr<std::vector<int32_t>> Encode(const MarkedText&, bool) const override {
    return absl::UnimplementedError("a list of tokens");
  }
  std::unique_ptr<IdDecoder> NewIdDecoder(bool) const override { return nullptr; }
  absl::StatusOr<std::string> TokenBytes(int32_t id, bool) const override {
    return id < end() ? tokens_[id] : std::string();
  }
  int32_t vocab_size() const override { return end() + 1; }
  bool IsSpecial(int32_t id) const override { return id == end(); }
  int32_t TokenId(absl::string_view) const override { return -1; }

 private:
  std::vector<std::string> tokens_;
};

}  // namespace gantry

#endif  // GANTRY_TESTS_MODEL_GRAMMAR_LIST_TOKENIZER_H_
