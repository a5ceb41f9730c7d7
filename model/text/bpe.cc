#include "model/text/bpe.h"

#include <queue>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace gantry {
namespace {

// Symbols of a piece as a doubly linked list over the array of its first symbols.
struct Symbol {
  int32_t id;  // -1 once it is merged into its left neighbour
  int32_t previous;
  int32_t next;  // -1 at the end
};

struct Candidate {
  int32_t rank;
  int32_t position;  // of the left symbol
  int32_t id;        // of the merged token
};
// Lowest rank first, then leftmost.
struct Later {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  }
};

}  // namespace

const Bpe::Merge* Bpe::FindMerge(int32_t left, int32_t right) const {
  const auto it = merges_.find(static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right));
  return it == merges_.end() ? nullptr : &it->second;
}

absl::Status Bpe::Encode(absl::string_view piece, const IdSet* forbidden,
                         std::vector<int32_t>* ids) const {
  if (piece.empty()) return absl::OkStatus();
  if (ignore_merges_) {
    if (const int32_t id = FindAllowed(piece, forbidden); id >= 0) {
      ids->push_back(id);
      return absl::OkStatus();
    }
  }
  std::vector<int32_t> symbols;
  SplitCharacters(piece, forbidden, &symbols);
  MergeAll(forbidden, &symbols);
  ids->insert(ids->end(), symbols.begin(), symbols.end());
  return absl::OkStatus();
}

void Bpe::SplitCharacters(absl::string_view piece, const IdSet* forbidden,
                          std::vector<int32_t>* ids) const {
  const bool affixes = !continuation_prefix_.empty() || !end_suffix_.empty();
  // An unknown token comes behind the characters that fall back to bytes before the next one that
  // has a token, as in the `tokenizers` library.
  bool unknown = false;
  std::string with_affixes;
  for (size_t pos = 0; pos < piece.size();) {
    const size_t begin = pos;
    NextChar(piece, &pos);
    absl::string_view character = piece.substr(begin, pos - begin);
    if (affixes) {
      with_affixes = absl::StrCat(begin == 0 ? "" : continuation_prefix_, character,
                                  pos == piece.size() ? end_suffix_ : "");
      character = with_affixes;
    }
    if (const int32_t id = FindAllowed(character, forbidden); id >= 0) {
      if (unknown) ids->push_back(unk_id_);
      unknown = false;
      ids->push_back(id);
    } else if (!AppendBytes(character, ids) && unk_id_ >= 0) {
      if (unknown && !fuse_unk_) ids->push_back(unk_id_);
      unknown = true;
    }
  }
  if (unknown) ids->push_back(unk_id_);
}

bool Bpe::AppendBytes(absl::string_view character, std::vector<int32_t>* ids) const {
  if (byte_ids_.empty()) return false;
  for (const unsigned char byte : character) {
    if (byte_ids_[byte] < 0) return false;
  }
  for (const unsigned char byte : character) ids->push_back(byte_ids_[byte]);
  return true;
}

void Bpe::MergeAll(const IdSet* forbidden, std::vector<int32_t>* ids) const {
  const auto find = [&](int32_t left, int32_t right) {
    const Merge* merge = FindMerge(left, right);
    return merge != nullptr && forbidden != nullptr && forbidden->contains(merge->id) ? nullptr
                                                                                      : merge;
  };
  const int32_t count = static_cast<int32_t>(ids->size());
  std::vector<Symbol> symbols(count);
  std::vector<Candidate> candidates;
  for (int32_t i = 0; i < count; ++i) {
    symbols[i] = {(*ids)[i], i - 1, i + 1 < count ? i + 1 : -1};
    if (i + 1 == count) break;
    if (const Merge* merge = find((*ids)[i], (*ids)[i + 1])) {
      candidates.push_back({merge->rank, i, merge->id});
    }
  }
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue(Later(),
                                                                      std::move(candidates));
  const auto propose = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    if (const Merge* merge = find(symbols[left].id, symbols[symbols[left].next].id)) {
      queue.push({merge->rank, left, merge->id});
    }
  };
  while (!queue.empty()) {
    const Candidate candidate = queue.top();
    queue.pop();
    Symbol& left = symbols[candidate.position];
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    // Entries are not taken out of the queue when their symbols change; one that no longer makes
    // the token it stood for is stale.
    const Merge* merge = find(left.id, right.id);
    if (merge == nullptr || merge->id != candidate.id) continue;
    left.id = candidate.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[left.next].previous = candidate.position;
    propose(left.previous);
    propose(candidate.position);
  }
  ids->clear();
  for (const Symbol& symbol : symbols) {
    if (symbol.id >= 0) ids->push_back(symbol.id);
  }
}

}  // namespace gantry
