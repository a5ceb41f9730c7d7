#include "model/text/sentencepiece_tokenizer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "model/text/added_tokens.h"
#include "model/text/decoder.h"
#include "model/text/limits.h"
#include "model/text/marked_text_check.h"
#include "model/text/sentencepiece_library.h"
#include "model/text/sentencepiece_model.h"
#include "model/text/vocabulary.h"

namespace gantry {
namespace {

constexpr uint64_t kMaxFileBytes = 64 << 20;
// The library computes lengths in int and keeps about a hundred bytes a character.
constexpr size_t kMaxSentencePieceText = 4 << 20;

class SentencePieceTokenizer : public Tokenizer {
 public:
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Create(const SentencePieceModel& model,
                                                           const SentencePieceOptions& options);

  absl::StatusOr<std::vector<int32_t>> Encode(const MarkedText& text,
                                              bool add_special_tokens) const override;
  std::unique_ptr<IdDecoder> NewIdDecoder(bool skip_special_tokens) const override {
    return decoder_.NewIdDecoder([this, skip_special_tokens](int32_t id) {
      return skip_special_tokens && IsSpecial(id) ? nullptr : vocabulary_.Token(id);
    });
  }
  absl::StatusOr<std::string> TokenBytes(int32_t id, bool first) const override {
    const std::string* text = vocabulary_.Token(id);
    return text == nullptr ? std::string() : decoder_.TokenBytes(*text, first);
  }
  int32_t vocab_size() const override { return vocabulary_.size(); }
  bool IsSpecial(int32_t id) const override {
    return id >= 0 && id < vocabulary_.size() && special_[id];
  }
  int32_t TokenId(absl::string_view token) const override { return vocabulary_.Find(token); }

 private:
  SentencePieceTokenizer(Vocabulary vocabulary, bool add_dummy_prefix,
                         const SentencePieceOptions& options)
      : options_(options),
        vocabulary_(std::move(vocabulary)),
        decoder_(DecoderConfig::SentencePiece(add_dummy_prefix)) {}

  absl::Status AddPieces(const std::vector<SentencePieceModel::Piece>& pieces);

  const SentencePieceOptions options_;
  const Vocabulary vocabulary_;
  const DecoderConfig decoder_;
  std::vector<bool> special_;
  AddedTokenFinder finder_;
  std::vector<int32_t> before_;
  std::vector<int32_t> after_;
  SentencePieceLibrary library_;
  SentencePieceLibrary library_without_prefix_;
};

absl::Status LoadInto(SentencePieceLibrary* library, const std::string& serialized) {
  const std::string error = library->Load(serialized);
  if (error.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("libsentencepiece refuses the model: ", error));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> SentencePieceTokenizer::Create(
    const SentencePieceModel& model, const SentencePieceOptions& options) {
  std::vector<std::pair<std::string, int64_t>> entries;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    entries.emplace_back(piece.text, entries.size());
  }
  GANTRY_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Build(std::move(entries)));
  std::unique_ptr<SentencePieceTokenizer> tokenizer(
      new SentencePieceTokenizer(std::move(vocabulary), model.add_dummy_prefix, options));
  GANTRY_RETURN_IF_ERROR(tokenizer->AddPieces(model.pieces));
  GANTRY_RETURN_IF_ERROR(LoadInto(&tokenizer->library_, model.sanitized));
  if (!options.prefix_after_special) {
    GANTRY_RETURN_IF_ERROR(
        LoadInto(&tokenizer->library_without_prefix_, model.sanitized_without_prefix));
  }
  return tokenizer;
}

absl::Status SentencePieceTokenizer::AddPieces(
    const std::vector<SentencePieceModel::Piece>& pieces) {
  special_.resize(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = pieces[id];
    special_[id] =
        piece.type == SentencePieceModel::kControl || piece.type == SentencePieceModel::kUnknown;
    if (!special_[id] && piece.type != SentencePieceModel::kUserDefined) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = piece.text;
    GANTRY_RETURN_IF_ERROR(finder_.Add(token, piece.text));
  }
  for (const auto& [wanted, name, ids] : {std::make_tuple(options_.add_bos, "<s>", &before_),
                                          std::make_tuple(options_.add_eos, "</s>", &after_)}) {
    if (!wanted) continue;
    const int32_t id = vocabulary_.Find(name);
    if (id < 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the model has no piece \"", name,
          "\"; set add_bos_token and add_eos_token in tokenizer_config.json as it needs"));
    }
    ids->push_back(id);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> SentencePieceTokenizer::Encode(const MarkedText& text,
                                                                    bool add_special_tokens) const {
  if (text.text.size() > kMaxSentencePieceText) {
    return absl::InvalidArgumentError(absl::StrCat("text of ", text.text.size(), " bytes, at most ",
                                                   kMaxSentencePieceText,
                                                   " are allowed with tokenizer.model"));
  }
  GANTRY_RETURN_IF_ERROR(CheckMarkedText(text));
  std::vector<int32_t> ids;
  if (add_special_tokens) ids = before_;
  for (const AddedTokenFinder::Segment& segment : finder_.Split(FlaggedText::From(text))) {
    if (segment.id >= 0) {
      ids.push_back(segment.id);
      continue;
    }
    const bool prefix = segment.begin == 0 || options_.prefix_after_special;
    const SentencePieceLibrary& library = prefix ? library_ : library_without_prefix_;
    std::vector<int> part;
    const std::string error =
        library.Encode(text.text.substr(segment.begin, segment.end - segment.begin), &part);
    if (!error.empty()) return absl::InternalError(absl::StrCat("libsentencepiece: ", error));
    ids.insert(ids.end(), part.begin(), part.end());
  }
  if (add_special_tokens) ids.insert(ids.end(), after_.begin(), after_.end());
  return ids;
}

absl::StatusOr<SentencePieceOptions> ReadOptions(const std::string& folder) {
  SentencePieceOptions options;
  const std::string path = JoinPath(folder, "tokenizer_config.json");
  if (!FileExists(path)) return options;
  GANTRY_ASSIGN_OR_RETURN(const Json config, ReadJsonFile(path));
  absl::StatusOr<bool> add_bos = GetBoolOr(config, "add_bos_token", options.add_bos);
  if (!add_bos.ok()) return Annotate(add_bos.status(), path);
  absl::StatusOr<bool> add_eos = GetBoolOr(config, "add_eos_token", options.add_eos);
  if (!add_eos.ok()) return Annotate(add_eos.status(), path);
  absl::StatusOr<bool> legacy = GetBoolOr(config, "legacy", options.prefix_after_special);
  if (!legacy.ok()) return Annotate(legacy.status(), path);
  return SentencePieceOptions{*add_bos, *add_eos, *legacy};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> ParseSentencePieceTokenizer(
    absl::string_view bytes, const SentencePieceOptions& options, absl::string_view origin) {
  absl::StatusOr<SentencePieceModel> model = SentencePieceModel::Parse(bytes);
  if (!model.ok()) return Annotate(model.status(), origin);
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      SentencePieceTokenizer::Create(*model, options);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), origin);
  return tokenizer;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadSentencePieceTokenizer(const std::string& folder) {
  const std::string path = JoinPath(folder, "tokenizer.model");
  GANTRY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxFileBytes));
  GANTRY_ASSIGN_OR_RETURN(const SentencePieceOptions options, ReadOptions(folder));
  return ParseSentencePieceTokenizer(bytes, options, path);
}

}  // namespace gantry
