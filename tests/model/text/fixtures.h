#ifndef GANTRY_TESTS_MODEL_TEXT_FIXTURES_H_
#define GANTRY_TESTS_MODEL_TEXT_FIXTURES_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/json.h"
#include "gtest/gtest.h"
#include "model/text/byte_level.h"
#include "model/text/tokenizer_json.h"
#include "tests/status_matchers.h"

namespace gantry {

inline constexpr char kMetaspace[] = "\xe2\x96\x81";

inline constexpr char kLlama3Expression[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr char kQwen2Expression[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

inline Json MustParse(absl::string_view text) {
  absl::StatusOr<Json> json = ParseJson(text, "test");
  EXPECT_THAT(json, IsOk());
  return json.ok() ? *json : Json();
}

// Pre-tokenizer of Llama 3 and Qwen2: cuts by an expression, then byte-level characters.
inline Json SplitThenByteLevel(const std::string& expression) {
  return {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"},
             {"pattern", {{"Regex", expression}}},
             {"behavior", "Isolated"},
             {"invert", false}},
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

// The 256 byte-level characters with the byte as id, then the results of the merges.
inline Json ByteLevelTokenizer(const std::vector<std::pair<std::string, std::string>>& merges) {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string character;
    AppendByteLevel(std::string(1, static_cast<char>(byte)), &character);
    vocab[character] = byte;
  }
  Json list = Json::array();
  for (const auto& [left, right] : merges) {
    list.push_back(Json::array({left, right}));
    vocab[left + right] = vocab.size();
  }
  Json json;
  json["added_tokens"] = Json::array();
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = SplitThenByteLevel(kLlama3Expression);
  json["post_processor"] = nullptr;
  json["decoder"] = {{"type", "ByteLevel"}};
  json["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", list}};
  return json;
}

// Llama's kind: U+2581, bytes <0x00> to <0xFF> (ids 0 to 255), U+2581 a b c (256 to 259), "ab", and
// the special tokens <s> and </s> (261, 262).
inline Json LlamaTokenizer() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[absl::StrFormat("<0x%02X>", byte)] = byte;
  for (const char* token : {kMetaspace, "a", "b", "c", "ab"}) vocab[token] = vocab.size();
  Json json;
  json["added_tokens"] = Json::array();
  for (const char* token : {"<s>", "</s>"}) {
    json["added_tokens"].push_back({{"id", vocab.size() + json["added_tokens"].size()},
                                    {"content", token},
                                    {"normalized", false},
                                    {"special", true}});
  }
  json["pre_tokenizer"] = {{"type", "Metaspace"},
                           {"replacement", kMetaspace},
                           {"prepend_scheme", "first"},
                           {"split", false}};
  json["decoder"] = {
      {"type", "Sequence"},
      {"decoders",
       {{{"type", "Replace"}, {"pattern", {{"String", kMetaspace}}}, {"content", " "}},
        {{"type", "ByteFallback"}},
        {{"type", "Fuse"}},
        {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  json["model"] = {{"type", "BPE"},
                   {"vocab", vocab},
                   {"merges", {"a b"}},
                   {"byte_fallback", true},
                   {"fuse_unk", true}};
  return json;
}

inline std::unique_ptr<Tokenizer> MustMake(const Json& json) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = ParseTokenizerJson(json, "test");
  EXPECT_THAT(tokenizer, IsOk());
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

// Text of which the parts at odd places a user typed: {"<s>", "typed", "</s>"}.
inline MarkedText Mark(const std::vector<std::string>& parts) {
  MarkedText text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i % 2 == 1 && !parts[i].empty()) {
      text.user.push_back({text.text.size(), text.text.size() + parts[i].size()});
    }
    text.text += parts[i];
  }
  return text;
}

}  // namespace gantry

#endif  // GANTRY_TESTS_MODEL_TEXT_FIXTURES_H_
