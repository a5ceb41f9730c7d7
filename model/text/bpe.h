#ifndef GANTRY_MODEL_TEXT_BPE_H_
#define GANTRY_MODEL_TEXT_BPE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/json.h"
#include "model/text/token_model.h"

namespace gantry {

// Byte pair encoding (Sennrich et al. 2016) with the options of the `tokenizers` library's BPE.
// Immutable and thread-safe.
class Bpe : public TokenModel {
 public:
  static absl::StatusOr<std::unique_ptr<TokenModel>> Parse(const Json& model);

  // Characters without a token are dropped where there is no unknown token. O(n log n).
  absl::Status Encode(absl::string_view piece, const IdSet* forbidden,
                      std::vector<int32_t>* ids) const override;

 private:
  struct Merge {
    int32_t rank;  // lower merges first
    int32_t id;    // of the merged token
  };

  explicit Bpe(Vocabulary vocabulary) : TokenModel(std::move(vocabulary)) {}
  absl::Status AddMerges(const Json& merges);
  absl::Status AddMerge(const Json& merge, int32_t rank);
  const Merge* FindMerge(int32_t left, int32_t right) const;
  // The tokens of the piece's characters: one each, its bytes', or the unknown token.
  void SplitCharacters(absl::string_view piece, const IdSet* forbidden,
                       std::vector<int32_t>* ids) const;
  // The ids of the bytes, if all of them have one.
  bool AppendBytes(absl::string_view character, std::vector<int32_t>* ids) const;
  void MergeAll(const IdSet* forbidden, std::vector<int32_t>* symbols) const;

  absl::flat_hash_map<uint64_t, Merge> merges_;  // by left id << 32 | right id
  bool ignore_merges_ = false;
  bool fuse_unk_ = false;
  int32_t unk_id_ = -1;              // -1: characters that are not in the vocabulary are dropped
  std::vector<int32_t> byte_ids_;    // empty without byte_fallback
  std::string continuation_prefix_;  // of the characters behind a piece's first
  std::string end_suffix_;           // of a piece's last character
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_BPE_H_
