#include "model/text/bpe.h"

#include <queue>
#include <utility>

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

void Bpe::Encode(absl::string_view piece, std::vector<int32_t>* ids) const {
  if (piece.empty()) return;
  if (ignore_merges_) {
    if (const int32_t id = vocabulary_.Find(piece); id >= 0) {
      ids->push_back(id);
      return;
    }
  }
  std::vector<int32_t> symbols;
  SplitCharacters(piece, &symbols);
  MergeAll(&symbols);
  ids->insert(ids->end(), symbols.begin(), symbols.end());
}

void Bpe::SplitCharacters(absl::string_view piece, std::vector<int32_t>* ids) const {
  bool unknown_before = false;  // an unknown token that a following unknown character may join
  for (size_t pos = 0; pos < piece.size();) {
    const size_t begin = pos;
    NextChar(piece, &pos);
    const absl::string_view character = piece.substr(begin, pos - begin);
    if (const int32_t id = vocabulary_.Find(character); id >= 0) {
      ids->push_back(id);
      unknown_before = false;
      continue;
    }
    if (byte_fallback_) {
      bool all = true;
      for (const unsigned char byte : character) all = all && byte_ids_[byte] >= 0;
      if (all) {
        for (const unsigned char byte : character) ids->push_back(byte_ids_[byte]);
        unknown_before = false;
        continue;
      }
    }
    if (unk_id_ < 0) continue;
    if (!(fuse_unk_ && unknown_before)) ids->push_back(unk_id_);
    unknown_before = true;
  }
}

void Bpe::MergeAll(std::vector<int32_t>* ids) const {
  const int32_t count = static_cast<int32_t>(ids->size());
  std::vector<Symbol> symbols(count);
  std::vector<Candidate> candidates;
  for (int32_t i = 0; i < count; ++i) {
    symbols[i] = {(*ids)[i], i - 1, i + 1 < count ? i + 1 : -1};
    if (i + 1 == count) break;
    if (const Merge* merge = FindMerge((*ids)[i], (*ids)[i + 1])) {
      candidates.push_back({merge->rank, i, merge->id});
    }
  }
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue(Later(),
                                                                      std::move(candidates));
  const auto propose = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    if (const Merge* merge = FindMerge(symbols[left].id, symbols[symbols[left].next].id)) {
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
    const Merge* merge = FindMerge(left.id, right.id);
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
