#include "model/text/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/text/limits.h"

namespace gantry {
namespace {

constexpr double kUnknownPenalty = 10.0;

// Ids in the table of best last tokens.
constexpr int32_t kUnreached = -1;
constexpr int32_t kUnknownCharacter = -2;

size_t PreviousCharacter(absl::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
  return begin;
}

absl::Status BadEntry(size_t id, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("vocab[", id, "]: expected ", expected));
}

}  // namespace

Unigram::Unigram(Vocabulary vocabulary, std::vector<double> scores)
    : TokenModel(std::move(vocabulary)), scores_(std::move(scores)) {
  double lowest = std::numeric_limits<double>::infinity();
  for (const double score : scores_) lowest = std::min(lowest, score);
  unknown_score_ = lowest - kUnknownPenalty;
  for (int32_t id = 0; id < vocabulary_.size(); ++id) {
    if (!vocabulary_.Token(id)->empty()) trie_.Insert(*vocabulary_.Token(id), id);
  }
}

absl::StatusOr<std::unique_ptr<TokenModel>> Unigram::Parse(const Json& model) {
  const Json* vocab = FindMember(model, "vocab");
  if (vocab == nullptr || !vocab->is_array() || vocab->empty()) {
    return absl::InvalidArgumentError("vocab: expected an array of [TOKEN, SCORE]");
  }
  if (vocab->size() > kMaxVocabEntries) {
    return absl::ResourceExhaustedError(absl::StrCat("vocab: ", vocab->size(), " entries, at most ",
                                                     kMaxVocabEntries, " are allowed"));
  }
  std::vector<std::pair<std::string, int64_t>> entries;
  std::vector<double> scores;
  for (const Json& entry : *vocab) {
    const size_t id = entries.size();
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      return BadEntry(id, "[TOKEN, SCORE]");
    }
    std::string token = entry[0].get<std::string>();
    // Each character of a text is looked at once for each byte of the longest token behind it.
    if (token.size() > kMaxAddedTokenBytes) {
      return BadEntry(id, absl::StrCat("a token of at most ", kMaxAddedTokenBytes, " bytes, found ",
                                       token.size()));
    }
    const double score = entry[1].get<double>();
    if (!std::isfinite(score)) return BadEntry(id, "a finite score");
    entries.emplace_back(std::move(token), id);
    scores.push_back(score);
  }
  GANTRY_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::Build(std::move(entries)));
  std::unique_ptr<Unigram> unigram(new Unigram(std::move(vocabulary), std::move(scores)));
  if (FindMember(model, "unk_id") != nullptr) {
    GANTRY_ASSIGN_OR_RETURN(const int64_t unk,
                            GetInt(model, "unk_id", 0, unigram->vocabulary_.size() - 1));
    unigram->unk_id_ = static_cast<int32_t>(unk);
  }
  GANTRY_ASSIGN_OR_RETURN(const bool byte_fallback, GetBoolOr(model, "byte_fallback", false));
  if (byte_fallback) unigram->byte_ids_ = ByteTokenIds(unigram->vocabulary_);
  return unigram;
}

absl::Status Unigram::FindBestPath(absl::string_view piece, const IdSet* forbidden,
                                   std::vector<int32_t>* best) const {
  best->assign(piece.size() + 1, kUnreached);
  // Scores of the best paths to the positions that a token from here may reach.
  const size_t window = std::max<size_t>(trie_.depth(), 4) + 1;
  std::vector<double> scores(window);
  const auto offer = [&](size_t end, double score, int32_t id) {
    if ((*best)[end] != kUnreached && score <= scores[end % window]) return;
    scores[end % window] = score;
    (*best)[end] = id;
  };
  for (size_t begin = 0; begin < piece.size();) {
    const double score = scores[begin % window];
    size_t next = begin;
    NextChar(piece, &next);
    bool has_character = false;
    Trie::Node node = Trie::kRoot;
    for (size_t pos = begin; pos < piece.size(); ++pos) {
      node = trie_.Step(node, static_cast<unsigned char>(piece[pos]));
      if (node == Trie::kNowhere) break;
      const int32_t id = trie_.value(node);
      if (id < 0 || (forbidden != nullptr && forbidden->contains(id))) continue;
      offer(pos + 1, score + scores_[id], id);
      has_character = has_character || pos + 1 == next;
    }
    if (!has_character) {
      if (unk_id_ < 0) return NoTokenFor(piece.substr(begin, next - begin));
      offer(next, score + unknown_score_, kUnknownCharacter);
    }
    begin = next;
  }
  return absl::OkStatus();
}

void Unigram::AppendUnknown(absl::string_view run, const IdSet* forbidden,
                            std::vector<int32_t>* ids) const {
  if (const int32_t id = FindAllowed(run, forbidden); id >= 0) {
    ids->push_back(id);
    return;
  }
  bool all = !byte_ids_.empty();
  for (size_t i = 0; all && i < run.size(); ++i) {
    all = byte_ids_[static_cast<unsigned char>(run[i])] >= 0;
  }
  if (all) {
    for (const unsigned char byte : run) ids->push_back(byte_ids_[byte]);
  } else {
    ids->push_back(unk_id_);
  }
}

absl::Status Unigram::Encode(absl::string_view piece, const IdSet* forbidden,
                             std::vector<int32_t>* ids) const {
  if (piece.empty()) return absl::OkStatus();
  std::vector<int32_t> best;
  GANTRY_RETURN_IF_ERROR(FindBestPath(piece, forbidden, &best));
  // The path from the end, as (begin, id).
  std::vector<std::pair<size_t, int32_t>> path;
  for (size_t end = piece.size(); end > 0;) {
    const int32_t id = best[end];
    end = id == kUnknownCharacter ? PreviousCharacter(piece, end)
                                  : end - vocabulary_.Token(id)->size();
    path.emplace_back(end, id);
  }
  size_t run_begin = 0;
  bool in_run = false;
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    const auto [begin, id] = *step;
    const bool unknown = id == kUnknownCharacter || id == unk_id_;
    if (unknown && !in_run) run_begin = begin;
    if (!unknown && in_run) {
      AppendUnknown(piece.substr(run_begin, begin - run_begin), forbidden, ids);
    }
    if (!unknown) ids->push_back(id);
    in_run = unknown;
  }
  if (in_run) AppendUnknown(piece.substr(run_begin), forbidden, ids);
  return absl::OkStatus();
}

}  // namespace gantry
