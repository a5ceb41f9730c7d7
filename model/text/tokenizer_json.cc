#include "model/text/tokenizer_json.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/text/added_tokens.h"
#include "model/text/added_tokens_json.h"
#include "model/text/decoder.h"
#include "model/text/marked_text_check.h"
#include "model/text/normalizer.h"
#include "model/text/post_processor.h"
#include "model/text/pre_tokenizer.h"
#include "model/text/token_model.h"

namespace gantry {
namespace {

class JsonTokenizer : public Tokenizer {
 public:
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(const Json& json);

  absl::StatusOr<std::vector<int32_t>> Encode(const MarkedText& text,
                                              bool add_special_tokens) const override;
  std::unique_ptr<IdDecoder> NewIdDecoder(bool skip_special_tokens) const override;
  absl::StatusOr<std::string> TokenBytes(int32_t id, bool first) const override {
    const std::string* text = TokenText(id);
    return text == nullptr ? std::string() : decoder_.TokenBytes(*text, first);
  }
  int32_t vocab_size() const override { return vocab_size_; }
  bool IsSpecial(int32_t id) const override {
    const auto added = added_.find(id);
    return added != added_.end() && added->second.special;
  }
  int32_t TokenId(absl::string_view token) const override {
    const auto added = added_ids_.find(token);
    return added != added_ids_.end() ? added->second : model_->vocabulary().Find(token);
  }

 private:
  JsonTokenizer(std::unique_ptr<TokenModel> model, Normalizer normalizer,
                PreTokenizer pre_tokenizer, DecoderConfig decoder, PostProcessor post_processor)
      : model_(std::move(model)),
        normalizer_(std::move(normalizer)),
        pre_tokenizer_(std::move(pre_tokenizer)),
        decoder_(std::move(decoder)),
        post_processor_(std::move(post_processor)),
        vocab_size_(model_->vocabulary().size()) {}

  absl::Status AddTokens(std::vector<AddedToken> tokens);
  absl::Status CheckPostProcessor() const;
  // Appends the ids of normalised text without added tokens.
  absl::Status EncodePlain(const FlaggedText& text, bool at_start, std::vector<int32_t>* ids) const;
  absl::Status EncodeNormalized(const FlaggedText& text, bool at_start,
                                std::vector<int32_t>* ids) const;
  const std::string* TokenText(int32_t id) const {
    const auto added = added_.find(id);
    return added != added_.end() ? &added->second.content : model_->vocabulary().Token(id);
  }

  const std::unique_ptr<const TokenModel> model_;
  const Normalizer normalizer_;
  const PreTokenizer pre_tokenizer_;
  const DecoderConfig decoder_;
  const PostProcessor post_processor_;
  int32_t vocab_size_;
  absl::flat_hash_map<int32_t, AddedToken> added_;
  absl::flat_hash_map<std::string, int32_t> added_ids_;
  TokenModel::IdSet special_in_model_;
  AddedTokenFinder in_text_;        // added tokens looked for in the text as it comes
  AddedTokenFinder in_normalized_;  // and those looked for once it is normalised
};

absl::StatusOr<std::unique_ptr<Tokenizer>> JsonTokenizer::Parse(const Json& json) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("expected an object, found ", json.type_name()));
  }
  const Json* model = FindMember(json, "model");
  if (model == nullptr) return absl::InvalidArgumentError("model: absent");
  absl::StatusOr<std::unique_ptr<TokenModel>> parsed = TokenModel::Parse(*model);
  if (!parsed.ok()) return Annotate(parsed.status(), "model");
  GANTRY_ASSIGN_OR_RETURN(Normalizer normalizer, Normalizer::Parse(FindMember(json, "normalizer")));
  GANTRY_ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer,
                          PreTokenizer::Parse(FindMember(json, "pre_tokenizer")));
  GANTRY_ASSIGN_OR_RETURN(DecoderConfig decoder, DecoderConfig::Parse(FindMember(json, "decoder")));
  GANTRY_ASSIGN_OR_RETURN(PostProcessor post_processor,
                          PostProcessor::Parse(FindMember(json, "post_processor")));
  GANTRY_ASSIGN_OR_RETURN(std::vector<AddedToken> added,
                          ParseAddedTokens(FindMember(json, "added_tokens")));
  std::unique_ptr<JsonTokenizer> tokenizer(
      new JsonTokenizer(*std::move(parsed), std::move(normalizer), std::move(pre_tokenizer),
                        std::move(decoder), std::move(post_processor)));
  GANTRY_RETURN_IF_ERROR(tokenizer->AddTokens(std::move(added)));
  GANTRY_RETURN_IF_ERROR(tokenizer->CheckPostProcessor());
  return tokenizer;
}

absl::Status JsonTokenizer::AddTokens(std::vector<AddedToken> tokens) {
  for (AddedToken& token : tokens) {
    const std::string* in_model = model_->vocabulary().Token(token.id);
    const int32_t model_id = model_->vocabulary().Find(token.content);
    if ((in_model != nullptr && *in_model != token.content) ||
        (model_id >= 0 && model_id != token.id)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "added_tokens: \"", absl::CHexEscape(token.content), "\" has id ", token.id,
          " but in the model's vocab ",
          in_model != nullptr ? absl::StrCat("that is \"", absl::CHexEscape(*in_model), "\"")
                              : absl::StrCat("it has ", model_id)));
    }
    std::string text = token.content;
    if (token.normalized) {
      FlaggedText content;
      content.text = token.content;
      GANTRY_ASSIGN_OR_RETURN(content, normalizer_.Apply(std::move(content)));
      text = content.text;
    }
    AddedTokenFinder& finder = token.normalized ? in_normalized_ : in_text_;
    GANTRY_RETURN_IF_ERROR(Annotate(finder.Add(token, text), "added_tokens"));
    if (token.special && in_model != nullptr) special_in_model_.insert(token.id);
    vocab_size_ = std::max(vocab_size_, token.id + 1);
    added_ids_.emplace(token.content, token.id);
    added_.emplace(token.id, std::move(token));
  }
  return absl::OkStatus();
}

absl::Status JsonTokenizer::CheckPostProcessor() const {
  for (const std::vector<int32_t>* ids : {&post_processor_.before, &post_processor_.after}) {
    for (const int32_t id : *ids) {
      if (TokenText(id) == nullptr) {
        return absl::InvalidArgumentError(absl::StrCat("post_processor: no token has the id ", id));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> JsonTokenizer::Encode(const MarkedText& text,
                                                           bool add_special_tokens) const {
  GANTRY_RETURN_IF_ERROR(CheckMarkedText(text));
  const FlaggedText flagged = FlaggedText::From(text);
  std::vector<int32_t> ids;
  if (add_special_tokens) ids = post_processor_.before;
  for (const AddedTokenFinder::Segment& segment : in_text_.Split(flagged)) {
    if (segment.id >= 0) {
      ids.push_back(segment.id);
      continue;
    }
    GANTRY_ASSIGN_OR_RETURN(const FlaggedText normalized,
                            normalizer_.Apply(flagged.Slice(segment.begin, segment.end)));
    GANTRY_RETURN_IF_ERROR(EncodeNormalized(normalized, segment.begin == 0, &ids));
  }
  if (add_special_tokens) {
    ids.insert(ids.end(), post_processor_.after.begin(), post_processor_.after.end());
  }
  return ids;
}

absl::Status JsonTokenizer::EncodeNormalized(const FlaggedText& text, bool at_start,
                                             std::vector<int32_t>* ids) const {
  for (const AddedTokenFinder::Segment& segment : in_normalized_.Split(text)) {
    if (segment.id >= 0) {
      ids->push_back(segment.id);
      continue;
    }
    GANTRY_RETURN_IF_ERROR(
        EncodePlain(text.Slice(segment.begin, segment.end), at_start && segment.begin == 0, ids));
  }
  return absl::OkStatus();
}

absl::Status JsonTokenizer::EncodePlain(const FlaggedText& text, bool at_start,
                                        std::vector<int32_t>* ids) const {
  GANTRY_ASSIGN_OR_RETURN(const Pieces pieces, pre_tokenizer_.Apply(Pieces(text.text, at_start)));
  // A model whose vocabulary has the special tokens would make them of what a user typed.
  const bool has_user = text.user.find('\1') != std::string::npos;
  const TokenModel::IdSet* forbidden = has_user ? &special_in_model_ : nullptr;
  for (size_t i = 0; i < pieces.count(); ++i) {
    GANTRY_RETURN_IF_ERROR(model_->Encode(pieces.piece(i), forbidden, ids));
  }
  return absl::OkStatus();
}

std::unique_ptr<IdDecoder> JsonTokenizer::NewIdDecoder(bool skip_special_tokens) const {
  return decoder_.NewIdDecoder([this, skip_special_tokens](int32_t id) {
    return skip_special_tokens && IsSpecial(id) ? nullptr : TokenText(id);
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> ParseTokenizerJson(const Json& json,
                                                              absl::string_view origin) {
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = JsonTokenizer::Parse(json);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), origin);
  return tokenizer;
}

}  // namespace gantry
