#ifndef GANTRY_MODEL_TEXT_VOCABULARY_H_
#define GANTRY_MODEL_TEXT_VOCABULARY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry {

// Tokens and their ids, both ways. Immutable.
class Vocabulary {
 public:
  // INVALID_ARGUMENT for a token or an id given twice, an id that is negative or above kMaxTokenId,
  // or so few tokens that most ids below the highest are holes.
  static absl::StatusOr<Vocabulary> Build(std::vector<std::pair<std::string, int64_t>> entries);

  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  // The highest id + 1.
  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
  // -1 when there is no such token.
  int32_t Find(absl::string_view token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? -1 : it->second;
  }
  // Null for an id without a token.
  const std::string* Token(int32_t id) const {
    return id >= 0 && id < size() && present_[id] ? &tokens_[id] : nullptr;
  }

 private:
  Vocabulary() = default;

  std::vector<std::string> tokens_;  // by id
  std::vector<bool> present_;
  absl::flat_hash_map<absl::string_view, int32_t> ids_;  // keys point into tokens_
};

}  // namespace gantry

#endif  // GANTRY_MODEL_TEXT_VOCABULARY_H_
