#include "model/text/sentencepiece_library.h"

#include <sentencepiece_processor.h>

namespace gantry {

SentencePieceLibrary::SentencePieceLibrary()
    : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {}
SentencePieceLibrary::~SentencePieceLibrary() = default;

std::string SentencePieceLibrary::Load(const std::string& serialized_model) {
  const sentencepiece::util::Status status = processor_->LoadFromSerializedProto(serialized_model);
  return status.ok() ? "" : status.ToString();
}

std::string SentencePieceLibrary::Encode(const std::string& text, std::vector<int>* ids) const {
  const sentencepiece::util::Status status = processor_->Encode(text, ids);
  return status.ok() ? "" : status.ToString();
}

}  // namespace gantry
