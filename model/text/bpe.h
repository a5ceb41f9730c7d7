#ifndef GANTRY_MODEL_TEXT_BPE_H_
#define GANTRY_MODEL_TEXT_BPE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "model/text/vocabulary.h"

namespace gantry {

// Byte pair encoding (Sennrich et al. 2016) with the options of the `tokenizers` library's BPE.
// Immutable and thread-safe.
class Bpe {
 public:
  // From the "model" of a tokenizer.json. UNIMPLEMENTED for another kind of model and for options
  // that change the ids and are not supported.
  static absl::StatusOr<Bpe> Parse(const Json& model);

  // Appends the ids of one piece of text. O(n log n) in its length.
  void Encode(absl::string_view piece, std::vector<int32_t>* ids) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Merge {
    int32_t rank;  // lower merges first
    int32_t id;    // of the merged token
  };

  explicit Bpe(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  absl::Status AddMerges(const Json& merges);
  absl::Status AddMerge(const Json& merge, int32_t rank);
  const Merge* FindMerge(int32_t left, int32_t right) const;
  // The tokens of the piece's characters: one each, its bytes', or the unknown token.
  void SplitCharacters(absl::string_view piece, std::vector<int32_t>* ids) const;
  void MergeAll(std::vector<int32_t>* symbols) const;

  Vocabulary vocabulary_;
  absl::flat_hash_map<uint64_t, Merge> merges_;  // by left id << 32 | right id
  bool ignore_merges_ = false;
  bool fuse_unk_ = false;
  int32_t unk_id_ = -1;  // -1: characters that are not in the vocabulary are dropped
  bool byte_fallback_ = false;
  std::array<int32_t, 256> byte_ids_;  // -1 where there is no token "<0xNN>"
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_BPE_H_
