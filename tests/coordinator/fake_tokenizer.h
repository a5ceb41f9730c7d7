#ifndef GANTRY_TESTS_COORDINATOR_FAKE_TOKENIZER_H_
#define GANTRY_TESTS_COORDINATOR_FAKE_TOKENIZER_H_

#include <string>
#include <vector>

#include "model/text/tokenizer.h"

namespace gantry {

// One token a byte: token id = byte. Ids from 256 on are special and have no text.
class FakeTokenizer : public Tokenizer {
 public:
  static constexpr int32_t kBos = 256;

  absl::StatusOr<std::vector<int32_t>> Encode(const MarkedText& text,
                                              bool add_special_tokens) const override {
    std::vector<int32_t> ids;
    if (add_special_tokens) ids.push_back(kBos);
    for (unsigned char c : text.text) ids.push_back(c);
    return ids;
  }
  std::string Decode(absl::Span<const int32_t> ids, bool skip_special_tokens) const override {
    std::string text;
    for (int32_t id : ids) {
      if (id < 256) text.push_back(static_cast<char>(id));
      if (id >= 256 && !skip_special_tokens) text += "<special>";
    }
    return text;
  }
  int32_t vocab_size() const override { return 260; }
  bool IsSpecial(int32_t id) const override { return id >= 256; }
  int32_t TokenId(absl::string_view) const override { return -1; }
};

}  // namespace gantry

#endif  // GANTRY_TESTS_COORDINATOR_FAKE_TOKENIZER_H_
