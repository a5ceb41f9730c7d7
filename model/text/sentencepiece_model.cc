#include "model/text/sentencepiece_model.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/limits.h"
#include "model/text/protobuf_wire.h"

namespace gantry {
namespace {

// Field numbers of sentencepiece_model.proto.
constexpr uint32_t kModelPieces = 1;
constexpr uint32_t kModelTrainer = 2;
constexpr uint32_t kModelNormalizer = 3;
constexpr uint32_t kPieceText = 1;
constexpr uint32_t kPieceType = 3;
constexpr uint32_t kNormalizerName = 1;
constexpr uint32_t kNormalizerTable = 2;
constexpr uint32_t kNormalizerAddDummyPrefix = 3;

// Appended to a message these replace an earlier value of the field (protobuf: the last counts).
constexpr char kTypeIsControl[] = {kPieceType << 3, SentencePieceModel::kControl};
constexpr char kNoDummyPrefix[] = {kNormalizerAddDummyPrefix << 3, 0};

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("not a sentencepiece model: ", what, " is not well-formed"));
}

absl::StatusOr<SentencePieceModel::Piece> ParsePiece(absl::string_view message, size_t id) {
  SentencePieceModel::Piece piece;
  while (!message.empty()) {
    WireField field;
    if (!ReadWireField(&message, &field)) return Malformed(absl::StrCat("piece ", id));
    if (field.number == kPieceText && field.type == WireField::kBytes) {
      piece.text = std::string(field.bytes);
    } else if (field.number == kPieceType && field.type == WireField::kVarint) {
      if (field.varint < SentencePieceModel::kNormal || field.varint > SentencePieceModel::kByte) {
        return absl::InvalidArgumentError(
            absl::StrCat("piece ", id, ": no type has the number ", field.varint));
      }
      piece.type = static_cast<SentencePieceModel::Type>(field.varint);
    }
  }
  if (piece.text.empty() || piece.text.size() > kMaxAddedTokenBytes || !IsValidUtf8(piece.text)) {
    return absl::InvalidArgumentError(
        absl::StrCat("piece ", id, " \"", absl::CHexEscape(piece.text.substr(0, 200)),
                     "\": expected 1 to ", kMaxAddedTokenBytes, " bytes of UTF-8"));
  }
  return piece;
}

absl::Status ParseNormalizer(absl::string_view message, SentencePieceModel* model) {
  std::string name;
  while (!message.empty()) {
    WireField field;
    if (!ReadWireField(&message, &field)) return Malformed("normalizer_spec");
    if (field.number == kNormalizerName && field.type == WireField::kBytes) {
      name = std::string(field.bytes);
    } else if (field.number == kNormalizerTable && !field.bytes.empty()) {
      return absl::UnimplementedError(absl::StrCat(
          "sentencepiece normalizer \"", absl::CHexEscape(name.substr(0, 200)),
          "\" is not supported; only identity is. A tokenizer.json made from the model may be"));
    } else if (field.number == kNormalizerAddDummyPrefix && field.type == WireField::kVarint) {
      model->add_dummy_prefix = field.varint != 0;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SentencePieceModel> SentencePieceModel::Parse(absl::string_view bytes) {
  SentencePieceModel model;
  while (!bytes.empty()) {
    WireField field;
    if (!ReadWireField(&bytes, &field)) return Malformed("the message");
    if (field.type != WireField::kBytes) continue;
    if (field.number == kModelPieces) {
      if (model.pieces.size() == kMaxVocabEntries) {
        return absl::ResourceExhaustedError(
            absl::StrCat("more than ", kMaxVocabEntries, " pieces"));
      }
      GANTRY_ASSIGN_OR_RETURN(Piece piece, ParsePiece(field.bytes, model.pieces.size()));
      std::string message(field.bytes);
      if (piece.type == kUserDefined) message.append(kTypeIsControl, sizeof(kTypeIsControl));
      AppendWireBytes(kModelPieces, message, &model.sanitized);
      model.pieces.push_back(std::move(piece));
    } else if (field.number == kModelTrainer) {
      AppendWireBytes(kModelTrainer, field.bytes, &model.sanitized);
    } else if (field.number == kModelNormalizer) {
      GANTRY_RETURN_IF_ERROR(ParseNormalizer(field.bytes, &model));
      AppendWireBytes(kModelNormalizer, field.bytes, &model.sanitized);
    }
  }
  if (model.pieces.empty()) return absl::InvalidArgumentError("a sentencepiece model of no pieces");
  model.sanitized_without_prefix = model.sanitized;
  AppendWireBytes(kModelNormalizer, absl::string_view(kNoDummyPrefix, sizeof(kNoDummyPrefix)),
                  &model.sanitized_without_prefix);
  return model;
}

}  // namespace gantry
