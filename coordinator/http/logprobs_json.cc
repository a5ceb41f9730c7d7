#include "coordinator/http/logprobs_json.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "proto/message_json.h"

namespace gantry {
namespace {

constexpr float kLowest = -9999;

std::string TextOf(int32_t id, const Tokenizer* tokenizer) {
  // Without text a token is known by its number.
  if (tokenizer == nullptr) return absl::StrCat("token_id:", id);
  const std::string alone = tokenizer->Decode({&id, 1}, /*skip_special_tokens=*/false);
  // At the beginning of a text some tokenizers drop a space, which the token has elsewhere.
  const int32_t twice[] = {id, id};
  const std::string both = tokenizer->Decode(twice, /*skip_special_tokens=*/false);
  return absl::StartsWith(both, alone) ? both.substr(alone.size()) : alone;
}

Json Logprob(float logprob) { return FloatJson(std::max(logprob, kLowest)); }

Json Entry(const std::string& text, float logprob) {
  Json bytes = Json::array();
  for (unsigned char byte : text) bytes.push_back(byte);
  return Json{{"token", text}, {"logprob", Logprob(logprob)}, {"bytes", std::move(bytes)}};
}

int64_t Characters(absl::string_view text) {
  int64_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) NextChar(text, &at);
  return count;
}

}  // namespace

Json ChatLogprobs(const std::vector<v1::GeneratedToken>& tokens, const Tokenizer* tokenizer) {
  Json content = Json::array();
  for (const v1::GeneratedToken& token : tokens) {
    Json entry = Entry(TextOf(token.token_id(), tokenizer), token.logprob());
    Json top = Json::array();
    for (const v1::TopLogprob& one : token.top_logprobs()) {
      top.push_back(Entry(TextOf(one.token_id(), tokenizer), one.logprob()));
    }
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return Json{{"content", std::move(content)}, {"refusal", nullptr}};
}

Json CompletionLogprobs(const std::vector<v1::GeneratedToken>& tokens, int64_t text_offset,
                        const Tokenizer* tokenizer) {
  Json texts = Json::array();
  Json logprobs = Json::array();
  Json tops = Json::array();
  Json offsets = Json::array();
  for (const v1::GeneratedToken& token : tokens) {
    const std::string text = TextOf(token.token_id(), tokenizer);
    Json top = Json::object();
    for (const v1::TopLogprob& one : token.top_logprobs()) {
      // Of tokens with the same text the likelier one, which comes first, stays.
      top.emplace(TextOf(one.token_id(), tokenizer), Logprob(one.logprob()));
    }
    texts.push_back(text);
    logprobs.push_back(Logprob(token.logprob()));
    tops.push_back(std::move(top));
    offsets.push_back(text_offset);
    text_offset += Characters(text);
  }
  return Json{{"tokens", std::move(texts)},
              {"token_logprobs", std::move(logprobs)},
              {"top_logprobs", std::move(tops)},
              {"text_offset", std::move(offsets)}};
}

int64_t CharactersOf(const std::vector<v1::GeneratedToken>& tokens, const Tokenizer* tokenizer) {
  int64_t count = 0;
  for (const v1::GeneratedToken& token : tokens) {
    count += Characters(TextOf(token.token_id(), tokenizer));
  }
  return count;
}

}  // namespace gantry
