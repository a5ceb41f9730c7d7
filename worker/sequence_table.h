#ifndef GANTRY_WORKER_SEQUENCE_TABLE_H_
#define GANTRY_WORKER_SEQUENCE_TABLE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "proto/stage.pb.h"

namespace gantry {

// What a stage remembers of one sequence.
struct StageSequence {
  v1::SequenceParams params;
  std::vector<int32_t> blocks;     // that hold its keys and values, in order
  int64_t shared_blocks = 0;       // the first of them, which others filled
  std::vector<int32_t> token_ids;  // all so far; the penalties and the scores need them
  std::optional<int32_t> sampled;  // the token after them, once it is there
  std::string error;               // of a slice that failed: later ones fail too
};

// The sequences of one stage and which blocks they hold. A block is written to by one sequence;
// when it is full, others may begin with it. Not thread-safe.
class SequenceTable {
 public:
  SequenceTable(int64_t num_blocks, int64_t block_size);

  // Adds the slice's tokens and blocks to its sequence, which begins with start = 0 or with
  // prefix_token_ids. Expects a slice that passed CheckSlice. INVALID_ARGUMENT for an unknown
  // sequence, a start that is not where the sequence ends, a prefix that is not whole blocks or
  // whose blocks are not full, a block that does not exist or, but for the prefix, that a sequence
  // holds already, too few blocks, kSampledToken where nothing was sampled; FAILED_PRECONDITION
  // with the first error for a sequence that has failed. Any error fails the sequence. The pointer
  // holds until the sequence is released.
  absl::StatusOr<StageSequence*> Append(const v1::SequenceSlice& slice);
  // Marks the sequence, if it is known, as failed. No other may begin with its blocks any more.
  void Fail(uint64_t sequence, absl::string_view error);
  // Forgets the sequence and frees its blocks. An unknown one is no error: it may have failed
  // before it began.
  void Release(uint64_t sequence);

  size_t size() const { return sequences_.size(); }
  int64_t used_blocks() const { return used_blocks_; }

 private:
  struct Block {
    int64_t users = 0;
    bool full = false;  // since it was last handed out
  };

  absl::Status CheckStart(const v1::SequenceSlice& slice, const StageSequence* sequence) const;
  absl::Status CheckBlocks(const v1::SequenceSlice& slice, const StageSequence* sequence) const;
  void AddBlocks(const v1::SequenceSlice& slice, StageSequence* sequence);

  const int64_t block_size_;
  int64_t used_blocks_ = 0;
  std::vector<Block> blocks_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<StageSequence>> sequences_;
};

}  // namespace gantry

#endif  // GANTRY_WORKER_SEQUENCE_TABLE_H_
