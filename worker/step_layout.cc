#include "worker/step_layout.h"

#include "model/rope.h"

namespace gantry {
namespace {

// Dynamic scaling has another embedding for each length.
constexpr size_t kMaxCachedRopes = 256;

}  // namespace

const StepLayout::Rope& LayoutMaker::RopeOf(int64_t valid_up_to, int64_t length) {
  auto found = ropes_.find(valid_up_to);
  if (found != ropes_.end()) return found->second;
  if (ropes_.size() >= kMaxCachedRopes) ropes_.clear();
  RopeFrequencies frequencies = ComputeRope(*config_, length);
  return ropes_[valid_up_to] = {std::move(frequencies.inv_freq), frequencies.scale};
}

StepLayout LayoutMaker::Make(absl::Span<const ActiveSlice> active) {
  StepLayout layout;
  std::map<int64_t, int32_t> rope_indices;
  for (const ActiveSlice& item : active) {
    StepLayout::Slice slice;
    slice.first_row = static_cast<int32_t>(item.row);
    slice.rows = static_cast<int32_t>(item.rows);
    slice.start_position = static_cast<int32_t>(item.slice->start());
    slice.first_block = static_cast<int32_t>(layout.block_table.size());
    const int64_t tokens = int64_t{slice.start_position} + slice.rows;
    slice.num_blocks = static_cast<int32_t>((tokens + block_size_ - 1) / block_size_);
    const std::vector<int32_t>& blocks = item.sequence->blocks;
    layout.block_table.insert(layout.block_table.end(), blocks.begin(),
                              blocks.begin() + slice.num_blocks);

    const int64_t length = item.slice->rope_length();
    const int64_t valid_up_to = RopeValidUpTo(*config_, length);
    const auto [index, added] =
        rope_indices.emplace(valid_up_to, static_cast<int32_t>(layout.ropes.size()));
    if (added) layout.ropes.push_back(RopeOf(valid_up_to, length));
    slice.rope = index->second;

    layout.slices.push_back(slice);
    layout.rows += slice.rows;
  }
  return layout;
}

}  // namespace gantry
