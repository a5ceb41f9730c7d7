#include "model/grammar/token_vocabulary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"

namespace gantry {
namespace {

absl::StatusOr<std::vector<std::string>> BytesOfTokens(const Tokenizer& tokenizer,
                                                       int32_t vocab_size, bool first,
                                                       absl::Span<const int32_t> end_tokens) {
  std::vector<std::string> bytes(std::min(vocab_size, tokenizer.vocab_size()));
  for (int32_t id = 0; id < bytes.size(); ++id) {
    if (tokenizer.IsSpecial(id)) continue;
    if (std::find(end_tokens.begin(), end_tokens.end(), id) != end_tokens.end()) continue;
    GANTRY_ASSIGN_OR_RETURN(bytes[id], tokenizer.TokenBytes(id, first));
    if (bytes[id].size() > TokenTrie::kMaxTokenBytes) bytes[id].clear();
  }
  return bytes;
}

TokenTrie TrieOf(const std::vector<std::string>& bytes) {
  std::vector<std::pair<std::string, int32_t>> tokens;
  for (size_t id = 0; id < bytes.size(); ++id) tokens.emplace_back(bytes[id], id);
  return TokenTrie::Build(std::move(tokens));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TokenVocabulary>> TokenVocabulary::Create(
    const Tokenizer& tokenizer, int32_t vocab_size, absl::Span<const int32_t> end_tokens) {
  std::shared_ptr<TokenVocabulary> vocabulary(new TokenVocabulary());
  for (const int32_t id : end_tokens) {
    if (id >= 0 && id < vocab_size) vocabulary->end_tokens_.push_back(id);
  }
  if (vocabulary->end_tokens_.empty()) {
    return absl::FailedPreconditionError(
        "the model has no end token (eos_token_id), so what must end could not");
  }
  GANTRY_ASSIGN_OR_RETURN(vocabulary->bytes_,
                          BytesOfTokens(tokenizer, vocab_size, false, end_tokens));
  GANTRY_ASSIGN_OR_RETURN(vocabulary->first_bytes_,
                          BytesOfTokens(tokenizer, vocab_size, true, end_tokens));
  vocabulary->later_ = TrieOf(vocabulary->bytes_);
  vocabulary->first_differs_ = vocabulary->first_bytes_ != vocabulary->bytes_;
  if (vocabulary->first_differs_) {
    vocabulary->first_ = TrieOf(vocabulary->first_bytes_);
  } else {
    vocabulary->first_bytes_.clear();
  }
  for (int byte = ' '; byte <= '~'; ++byte) {
    if (vocabulary->usable_bytes().test(byte)) continue;
    return absl::FailedPreconditionError(
        absl::StrFormat("the tokenizer has no token of the one byte 0x%02x (%c), so not every text "
                        "could be written",
                        byte, byte));
  }
  vocabulary->mask_bytes_ = (static_cast<size_t>(vocab_size) + 7) / 8;
  for (TokenMask& mask : vocabulary->free_tokens_) mask.assign(vocabulary->mask_bytes_, 0);
  for (size_t id = 0; id < vocabulary->bytes_.size(); ++id) {
    if (vocabulary->bytes_[id].empty() || !vocabulary->IsUsable(vocabulary->bytes_[id])) continue;
    const int32_t characters = FreeCharacters(vocabulary->bytes_[id]);
    for (int i = 0; i < kFreeSets; ++i) {
      if (characters <= 1 << i) SetToken(id, &vocabulary->free_tokens_[i]);
    }
  }
  return vocabulary;
}

bool TokenVocabulary::IsUsable(absl::string_view bytes) const {
  return std::all_of(bytes.begin(), bytes.end(),
                     [this](unsigned char byte) { return usable_bytes().test(byte); });
}

}  // namespace gantry
