#ifndef GANTRY_TESTS_COORDINATOR_FAKE_TOKENIZER_H_
#define GANTRY_TESTS_COORDINATOR_FAKE_TOKENIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "base/utf8.h"
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
  std::unique_ptr<IdDecoder> NewIdDecoder(bool skip_special_tokens) const override {
    return std::make_unique<Decoder>(skip_special_tokens);
  }
  absl::StatusOr<std::string> TokenBytes(int32_t id, bool first) const override {
    return id < 256 ? std::string(1, static_cast<char>(id)) : "";
  }
  int32_t vocab_size() const override { return 260; }
  bool IsSpecial(int32_t id) const override { return id >= 256; }
  int32_t TokenId(absl::string_view) const override { return -1; }

 private:
  class Decoder : public IdDecoder {
   public:
    explicit Decoder(bool skip_special_tokens) : skip_special_tokens_(skip_special_tokens) {}
    void Add(int32_t id, std::string* out) override {
      if (id < 256) {
        bytes_.push_back(static_cast<char>(id));
      } else if (!skip_special_tokens_) {
        bytes_ += "<special>";
      }
      const size_t complete = CompleteUtf8Prefix(bytes_);
      *out += ReplaceInvalidUtf8(bytes_.substr(0, complete));
      bytes_.erase(0, complete);
    }
    void Finish(std::string* out) override { *out += ReplaceInvalidUtf8(bytes_); }

   private:
    const bool skip_special_tokens_;
    std::string bytes_;
  };
};

}  // namespace gantry

#endif  // GANTRY_TESTS_COORDINATOR_FAKE_TOKENIZER_H_
