#ifndef GANTRY_MODEL_TEXT_SENTENCEPIECE_LIBRARY_H_
#define GANTRY_MODEL_TEXT_SENTENCEPIECE_LIBRARY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/text/sentencepiece_module.h"

namespace gantry {

// libsentencepiece, behind libgantry_sentencepiece.so, which lies beside the program and is opened
// when the first model is loaded. Errors are texts, empty when there is none.
class SentencePieceLibrary {
 public:
  std::string Load(absl::string_view serialized_model);
  // Requires a loaded model. Thread-safe.
  std::string Encode(absl::string_view text, std::vector<int>* ids) const;

 private:
  struct Free {
    void operator()(GantrySentencePiece* processor) const;
  };
  std::unique_ptr<GantrySentencePiece, Free> processor_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_SENTENCEPIECE_LIBRARY_H_
