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
    : block_size_(block_size), blocks_(num_blocks) {}

absl::Status SequenceTable::CheckStart(const v1::SequenceSlice& slice,
                                       const StageSequence* sequence) const {
  if (IsFedBack(slice) && (sequence == nullptr || !sequence->sampled.has_value())) {
    return absl::InvalidArgumentError(
        "token_ids: expected an id, found -1, and no token was sampled before it");
  }
  if (sequence == nullptr && slice.start() != slice.prefix_token_ids_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("start: expected 0 of an unknown sequence, found ", slice.start()));
  }
  if (sequence == nullptr) {
    if (slice.start() % block_size_ == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("prefix_token_ids: expected whole blocks of ",
                                                   block_size_, ", found ", slice.start(),
                                                   " tokens"));
  }
  if (slice.start() == sequence->token_ids.size() && slice.start() > 0 &&
      slice.prefix_token_ids().empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("start: expected ", sequence->token_ids.size(), ", found ", slice.start(),
                   slice.prefix_token_ids().empty() ? "" : " of a sequence that begins again"));
}

absl::Status SequenceTable::CheckBlocks(const v1::SequenceSlice& slice,
                                        const StageSequence* sequence) const {
  const int64_t length = int64_t{slice.start()} + slice.token_ids_size();
  const int64_t needed = (length + block_size_ - 1) / block_size_;
  const int64_t found = (sequence == nullptr ? 0 : sequence->blocks.size()) +
                        static_cast<int64_t>(slice.new_blocks_size());
  if (found < needed) {
    return absl::InvalidArgumentError(absl::StrCat("new_blocks: ", length, " tokens need ", needed,
                                                   " blocks of ", block_size_, ", found ", found));
  }
  const int64_t shared = slice.prefix_token_ids_size() / block_size_;
  absl::flat_hash_set<uint32_t> fresh;
  for (int i = 0; i < slice.new_blocks_size(); ++i) {
    const uint32_t block = slice.new_blocks(i);
    if (block >= blocks_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("new_blocks: expected numbers below ", blocks_.size(), ", found ", block));
    }
    if (!fresh.insert(block).second || (i >= shared && blocks_[block].users > 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("new_blocks: block ", block, " is in use already"));
    }
    if (i < shared && !blocks_[block].full) {
      return absl::InvalidArgumentError(
          absl::StrCat("new_blocks: block ", block, " is to hold a prefix but is not full"));
    }
  }
  return absl::OkStatus();
}

void SequenceTable::AddBlocks(const v1::SequenceSlice& slice, StageSequence* sequence) {
  const int64_t shared = slice.prefix_token_ids_size() / block_size_;
  for (int i = 0; i < slice.new_blocks_size(); ++i) {
    Block& block = blocks_[slice.new_blocks(i)];
    if (i >= shared) block.full = false;
    if (block.users++ == 0) ++used_blocks_;
    sequence->blocks.push_back(static_cast<int32_t>(slice.new_blocks(i)));
  }
  sequence->shared_blocks += shared;
}

absl::StatusOr<StageSequence*> SequenceTable::Append(const v1::SequenceSlice& slice) {
  auto found = sequences_.find(slice.sequence());
  StageSequence* sequence = found == sequences_.end() ? nullptr : found->second.get();
  if (sequence != nullptr && !sequence->error.empty()) {
    return absl::FailedPreconditionError(sequence->error);
  }
  absl::Status checked = CheckStart(slice, sequence);
  if (checked.ok()) checked = CheckBlocks(slice, sequence);
  if (!checked.ok()) {
    if (sequence != nullptr) Fail(slice.sequence(), checked.message());
    return checked;
  }
  if (sequence == nullptr) {
    std::unique_ptr<StageSequence>& added = sequences_[slice.sequence()];
    added = std::make_unique<StageSequence>();
    added->params = slice.params();
    added->token_ids.assign(slice.prefix_token_ids().begin(), slice.prefix_token_ids().end());
    sequence = added.get();
  }
  AddBlocks(slice, sequence);
  const int64_t full_before = sequence->token_ids.size() / block_size_;
  if (IsFedBack(slice)) {
    sequence->token_ids.push_back(*sequence->sampled);
  } else {
    sequence->token_ids.insert(sequence->token_ids.end(), slice.token_ids().begin(),
                               slice.token_ids().end());
  }
  sequence->sampled.reset();
  const int64_t full = sequence->token_ids.size() / block_size_;
  for (int64_t i = full_before; i < full; ++i) blocks_[sequence->blocks[i]].full = true;
  return sequence;
}

void SequenceTable::Fail(uint64_t sequence, absl::string_view error) {
  auto found = sequences_.find(sequence);
  if (found == sequences_.end()) return;
  StageSequence& failed = *found->second;
  failed.error = std::string(error);
  // What it computed may be wrong or, here, not be computed at all.
  for (size_t i = failed.shared_blocks; i < failed.blocks.size(); ++i) {
    blocks_[failed.blocks[i]].full = false;
  }
}

void SequenceTable::Release(uint64_t sequence) {
  auto found = sequences_.find(sequence);
  if (found == sequences_.end()) return;
  for (const int32_t block : found->second->blocks) {
    if (--blocks_[block].users == 0) --used_blocks_;
  }
  sequences_.erase(found);
}

}  // namespace gantry
