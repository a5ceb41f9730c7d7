#include "model/text/vocabulary.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "model/text/limits.h"

namespace gantry {

absl::StatusOr<Vocabulary> Vocabulary::Build(std::vector<std::pair<std::string, int64_t>> entries) {
  if (entries.size() > kMaxVocabEntries) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "vocab: ", entries.size(), " entries, at most ", kMaxVocabEntries, " are allowed"));
  }
  int64_t highest = -1;
  for (const auto& [token, id] : entries) {
    if (id < 0 || id > kMaxTokenId) {
      return absl::InvalidArgumentError(absl::StrCat("vocab: id ", id, " of \"",
                                                     absl::CHexEscape(token), "\" is not in [0, ",
                                                     kMaxTokenId, "]"));
    }
    highest = std::max(highest, id);
  }
  // One entry with a huge id would otherwise take gigabytes for the table of ids.
  if (highest >= static_cast<int64_t>(2 * entries.size() + 4096)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "vocab: the highest id is ", highest, " but there are only ", entries.size(), " tokens"));
  }
  Vocabulary vocabulary;
  vocabulary.tokens_.resize(highest + 1);
  vocabulary.present_.resize(highest + 1);
  vocabulary.ids_.reserve(entries.size());
  for (auto& [token, id] : entries) {
    if (vocabulary.present_[id]) {
      return absl::InvalidArgumentError(absl::StrCat("vocab: id ", id, " is given to both \"",
                                                     absl::CHexEscape(vocabulary.tokens_[id]),
                                                     "\" and \"", absl::CHexEscape(token), "\""));
    }
    vocabulary.present_[id] = true;
    vocabulary.tokens_[id] = std::move(token);
    if (!vocabulary.ids_.emplace(vocabulary.tokens_[id], id).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("vocab: \"", absl::CHexEscape(vocabulary.tokens_[id]), "\" is given twice"));
    }
  }
  return vocabulary;
}

}  // namespace gantry
