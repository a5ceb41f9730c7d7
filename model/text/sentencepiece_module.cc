#include "model/text/sentencepiece_module.h"

#include <sentencepiece_processor.h>
#include <stdio.h>

#include <memory>
#include <vector>

struct GantrySentencePiece {
  sentencepiece::SentencePieceProcessor processor;
};

namespace {

// Whether the status is an error, written to `error`.
bool Failed(const sentencepiece::util::Status& status, char* error) {
  if (status.ok()) return false;
  snprintf(error, kGantryErrorBytes, "%s", status.ToString().c_str());
  return true;
}

}  // namespace

GantrySentencePiece* GantrySentencePieceLoad(const char* model, size_t size, char* error) {
  auto loaded = std::make_unique<GantrySentencePiece>();
  if (Failed(loaded->processor.LoadFromSerializedProto({model, size}), error)) return nullptr;
  return loaded.release();
}

void GantrySentencePieceFree(GantrySentencePiece* processor) { delete processor; }

int GantrySentencePieceEncode(const GantrySentencePiece* processor, const char* text, size_t size,
                              void (*take)(void* context, const int* ids, size_t count),
                              void* context, char* error) {
  std::vector<int> ids;
  if (Failed(processor->processor.Encode({text, size}, &ids), error)) return 0;
  take(context, ids.data(), ids.size());
  return 1;
}
