#ifndef GANTRY_WORKER_STEP_LAYOUT_H_
#define GANTRY_WORKER_STEP_LAYOUT_H_

#include <cstdint>
#include <map>

#include "absl/types/span.h"
#include "kernels/backend.h"
#include "model/config.h"
#include "worker/active_slice.h"

namespace gantry {

// Makes the layouts of steps; keeps the rotary embeddings that it has computed.
class LayoutMaker {
 public:
  // `config` outlives the maker.
  LayoutMaker(const ModelConfig* config, int64_t block_size)
      : config_(config), block_size_(block_size) {}

  // Expects slices with consecutive rows from 0, whose tokens their sequences hold already.
  StepLayout Make(absl::Span<const ActiveSlice> active);

 private:
  const StepLayout::Rope& RopeOf(int64_t valid_up_to, int64_t length);

  const ModelConfig* config_;
  const int64_t block_size_;
  std::map<int64_t, StepLayout::Rope> ropes_;  // by the length up to which they are valid
};

}  // namespace gantry

#endif  // GANTRY_WORKER_STEP_LAYOUT_H_
