#ifndef GANTRY_MODEL_TEXT_SENTENCEPIECE_MODULE_H_
#define GANTRY_MODEL_TEXT_SENTENCEPIECE_MODULE_H_

#include <stddef.h>

// The C interface of libgantry_sentencepiece.so. libsentencepiece carries a protobuf of its own
// under the names of the one that gRPC's messages use, so the two must not meet in one symbol
// scope: this module links it, and sentencepiece_library.cc opens the module in a scope apart.
//
// Where `error` is filled, it is a string of at most kGantryErrorBytes with its end.
extern "C" {

enum { kGantryErrorBytes = 512 };

typedef struct GantrySentencePiece GantrySentencePiece;

// Null, and `error` filled, when libsentencepiece refuses the serialized ModelProto.
GantrySentencePiece* GantrySentencePieceLoad(const char* model, size_t size, char* error);
void GantrySentencePieceFree(GantrySentencePiece* processor);
// Calls take(context, ids, count) once and returns 1; 0, and `error` filled, on failure.
// Thread-safe.
int GantrySentencePieceEncode(const GantrySentencePiece* processor, const char* text, size_t size,
                              void (*take)(void* context, const int* ids, size_t count),
                              void* context, char* error);

}  // extern "C"

#endif  // GANTRY_MODEL_TEXT_SENTENCEPIECE_MODULE_H_
