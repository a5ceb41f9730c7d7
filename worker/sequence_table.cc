#include "worker/sequence_table.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "proto/step_frame.h"

namespace gantry {
namespace {

bool IsFedBack(const v1::SequenceSlice& slice) {
  return slice.token_ids_size() == 1 && slice.token_ids(0) == kSampledToken;
}

}  // namespace

SequenceTable::SequenceTable(int64_t num_blocks, int64_t block_size)
    : num_blocks_(num_blocks), block_size_(block_size), used_(num_blocks, false) {}

absl::Status SequenceTable::Check(const v1::SequenceSlice& slice,
                                  const StageSequence* sequence) const {
  if (sequence == nullptr && slice.start() != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("start: expected 0 of an unknown sequence, found ", slice.start()));
  }
  const size_t length = sequence == nullptr ? 0 : sequence->token_ids.size();
  if (slice.start() != length || (slice.start() == 0 && sequence != nullptr)) {
    return absl::InvalidArgumentError(
        absl::StrCat("start: expected ", length, ", found ", slice.start()));
  }
  if (IsFedBack(slice) && (sequence == nullptr || !sequence->sampled.has_value())) {
    return absl::InvalidArgumentError(
        "token_ids: expected an id, found -1, and no token was sampled before it");
  }
  absl::flat_hash_set<uint32_t> fresh;
  for (const uint32_t block : slice.new_blocks()) {
    if (block >= num_blocks_) {
      return absl::InvalidArgumentError(
          absl::StrCat("new_blocks: expected numbers below ", num_blocks_, ", found ", block));
    }
    if (used_[block] || !fresh.insert(block).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("new_blocks: block ", block, " is in use already"));
    }
  }
  const int64_t needed = (length + slice.token_ids_size() + block_size_ - 1) / block_size_;
  const int64_t found = (sequence == nullptr ? 0 : sequence->blocks.size()) +
                        static_cast<int64_t>(slice.new_blocks_size());
  if (found < needed) {
    return absl::InvalidArgumentError(absl::StrCat("new_blocks: ", length + slice.token_ids_size(),
                                                   " tokens need ", needed, " blocks of ",
                                                   block_size_, ", found ", found));
  }
  return absl::OkStatus();
}

absl::StatusOr<StageSequence*> SequenceTable::Append(const v1::SequenceSlice& slice) {
  auto found = sequences_.find(slice.sequence());
  StageSequence* sequence = found == sequences_.end() ? nullptr : found->second.get();
  if (sequence != nullptr && !sequence->error.empty()) {
    return absl::FailedPreconditionError(sequence->error);
  }
  if (absl::Status checked = Check(slice, sequence); !checked.ok()) {
    if (sequence != nullptr) sequence->error = std::string(checked.message());
    return checked;
  }
  if (sequence == nullptr) {
    std::unique_ptr<StageSequence>& added = sequences_[slice.sequence()];
    added = std::make_unique<StageSequence>();
    added->params = slice.params();
    sequence = added.get();
  }
  for (const uint32_t block : slice.new_blocks()) {
    used_[block] = true;
    ++used_blocks_;
    sequence->blocks.push_back(static_cast<int32_t>(block));
  }
  if (IsFedBack(slice)) {
    sequence->token_ids.push_back(*sequence->sampled);
  } else {
    sequence->token_ids.insert(sequence->token_ids.end(), slice.token_ids().begin(),
                               slice.token_ids().end());
  }
  sequence->sampled.reset();
  return sequence;
}

void SequenceTable::Fail(uint64_t sequence, absl::string_view error) {
  auto found = sequences_.find(sequence);
  if (found != sequences_.end()) found->second->error = std::string(error);
}

void SequenceTable::Release(uint64_t sequence) {
  auto found = sequences_.find(sequence);
  if (found == sequences_.end()) return;
  for (const int32_t block : found->second->blocks) used_[block] = false;
  used_blocks_ -= found->second->blocks.size();
  sequences_.erase(found);
}

}  // namespace gantry
