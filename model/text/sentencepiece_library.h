#ifndef GANTRY_MODEL_TEXT_SENTENCEPIECE_LIBRARY_H_
#define GANTRY_MODEL_TEXT_SENTENCEPIECE_LIBRARY_H_

#include <memory>
#include <string>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace gantry {

// libsentencepiece apart from Abseil: its header declares an absl::string_view of its own, so
// nothing here includes Abseil. Errors are texts, empty on success.
class SentencePieceLibrary {
 public:
  SentencePieceLibrary();
  ~SentencePieceLibrary();
  std::string Load(const std::string& serialized_model);
  // Thread-safe once loaded. The library counts in int: at most a few megabytes of text.
  std::string Encode(const std::string& text, std::vector<int>* ids) const;

 private:
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_SENTENCEPIECE_LIBRARY_H_
