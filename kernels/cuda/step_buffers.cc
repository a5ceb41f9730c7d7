#include "kernels/cuda/step_buffers.h"

#include <algorithm>
#include <cstring>

#include "base/status_macros.h"
#include "kernels/cuda/cuda_status.h"

namespace gantry {
namespace {

constexpr size_t kAlignment = 256;
// Kernels are launched for a context of at least so many positions, so that few graphs are needed.
constexpr int kLeastContextBound = 512;

int64_t HalfRotary(const StepLayout& layout) {
  size_t half = 0;
  for (const StepLayout::Rope& rope : layout.ropes) half = std::max(half, rope.inv_freq.size());
  return static_cast<int64_t>(half);
}

int64_t Grown(int64_t needed, int64_t had) {
  if (needed <= had) return had;
  int64_t size = std::max<int64_t>(had, 64);
  while (size < needed) size *= 2;
  return size;
}

}  // namespace

StepBuffers::~StepBuffers() {
  if (host_ != nullptr) cudaFreeHost(host_);
}

absl::StatusOr<bool> StepBuffers::Reserve(const StepLayout& layout) {
  Capacity capacity;
  capacity.rows = layout.rows;
  capacity.slices = static_cast<int64_t>(layout.slices.size());
  capacity.blocks = static_cast<int64_t>(layout.block_table.size());
  capacity.logit_rows = static_cast<int64_t>(layout.logit_rows.size());
  capacity.ropes = static_cast<int64_t>(layout.ropes.size());
  capacity.half_rotary = HalfRotary(layout);
  return Reserve(capacity);
}

absl::StatusOr<bool> StepBuffers::Reserve(const Capacity& capacity) {
  const Capacity had = capacity_;
  capacity_.rows = Grown(capacity.rows, had.rows);
  capacity_.slices = Grown(capacity.slices, had.slices);
  capacity_.blocks = Grown(capacity.blocks, had.blocks);
  capacity_.logit_rows = Grown(capacity.logit_rows, had.logit_rows);
  capacity_.ropes = Grown(capacity.ropes, had.ropes);
  capacity_.half_rotary = Grown(capacity.half_rotary, had.half_rotary);
  const bool same = capacity_.rows == had.rows && capacity_.slices == had.slices &&
                    capacity_.blocks == had.blocks && capacity_.logit_rows == had.logit_rows &&
                    capacity_.ropes == had.ropes && capacity_.half_rotary == had.half_rotary;
  if (same && device_ != nullptr) return false;
  GANTRY_RETURN_IF_CUDA_ERROR(cudaDeviceSynchronize(), "waiting for the last step");
  const absl::Status allocated = Allocate();
  if (!allocated.ok()) {
    capacity_ = had;
    return allocated;
  }
  return true;
}

absl::Status StepBuffers::Allocate() {
  size_t at = 0;
  const auto place = [&at](size_t count) {
    const size_t offset = at;
    at += (count * 4 + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  };
  const size_t token_ids = place(capacity_.rows);
  const size_t positions = place(capacity_.rows);
  const size_t row_slices = place(capacity_.rows);
  const size_t first_rows = place(capacity_.slices);
  const size_t rows = place(capacity_.slices);
  const size_t first_blocks = place(capacity_.slices);
  const size_t ropes = place(capacity_.slices);
  const size_t logit_rows = place(capacity_.logit_rows);
  const size_t scales = place(capacity_.ropes);
  const size_t halves = place(capacity_.ropes);
  const size_t inv_freq = place(capacity_.ropes * capacity_.half_rotary);
  // Cleared by the copy.
  const size_t non_finite = place(capacity_.rows);
  // Last, so that a short table makes a short copy.
  const size_t blocks = place(capacity_.blocks);
  const size_t copied_bytes = at;
  const size_t rotation = place(capacity_.rows * 2 * capacity_.half_rotary);

  // Without a device buffer the next reservation tries again.
  device_.reset();
  if (host_ != nullptr) cudaFreeHost(host_);
  host_ = nullptr;
  GANTRY_RETURN_IF_CUDA_ERROR(cudaMallocHost(&host_, copied_bytes), "allocating pinned memory");
  GANTRY_ASSIGN_OR_RETURN(device_, CudaBuffer::Allocate(at));
  char* const base = device_->as<char>();
  step_ = DeviceStep();
  step_.token_ids = reinterpret_cast<int32_t*>(base + token_ids);
  step_.positions = reinterpret_cast<int32_t*>(base + positions);
  step_.row_slices = reinterpret_cast<int32_t*>(base + row_slices);
  step_.slice_first_rows = reinterpret_cast<int32_t*>(base + first_rows);
  step_.slice_rows = reinterpret_cast<int32_t*>(base + rows);
  step_.slice_first_blocks = reinterpret_cast<int32_t*>(base + first_blocks);
  step_.slice_ropes = reinterpret_cast<int32_t*>(base + ropes);
  step_.logit_rows = reinterpret_cast<int32_t*>(base + logit_rows);
  step_.rope_scales = reinterpret_cast<float*>(base + scales);
  step_.rope_halves = reinterpret_cast<int32_t*>(base + halves);
  step_.inv_freq = reinterpret_cast<float*>(base + inv_freq);
  step_.non_finite = reinterpret_cast<int32_t*>(base + non_finite);
  step_.block_table = reinterpret_cast<int32_t*>(base + blocks);
  step_.rotation = reinterpret_cast<float*>(base + rotation);
  return absl::OkStatus();
}

absl::Status StepBuffers::Upload(const StepLayout& layout, cudaStream_t stream) {
  const auto host = [this](const void* on_device) { return HostPlace(on_device); };
  const auto ints = [&](const int32_t* on_device) {
    return reinterpret_cast<int32_t*>(host(on_device));
  };
  step_.rows = layout.rows;
  step_.slices = static_cast<int>(layout.slices.size());
  step_.logit_row_count = static_cast<int>(layout.logit_rows.size());
  step_.half_rotary = static_cast<int>(HalfRotary(layout));
  step_.all_single = true;
  int longest = kLeastContextBound;
  std::copy(layout.token_ids.begin(), layout.token_ids.end(), ints(step_.token_ids));
  for (int i = 0; i < step_.slices; ++i) {
    const StepLayout::Slice& slice = layout.slices[i];
    ints(step_.slice_first_rows)[i] = slice.first_row;
    ints(step_.slice_rows)[i] = slice.rows;
    ints(step_.slice_first_blocks)[i] = slice.first_block;
    ints(step_.slice_ropes)[i] = slice.rope;
    step_.all_single &= slice.rows == 1;
    longest = std::max(longest, slice.start_position + slice.rows);
    for (int row = 0; row < slice.rows; ++row) {
      ints(step_.positions)[slice.first_row + row] = slice.start_position + row;
      ints(step_.row_slices)[slice.first_row + row] = i;
    }
  }
  step_.context_bound = kLeastContextBound;
  while (step_.context_bound < longest && step_.context_bound < (1 << 30)) {
    step_.context_bound *= 2;
  }
  std::copy(layout.logit_rows.begin(), layout.logit_rows.end(), ints(step_.logit_rows));
  float* const inv_freq = reinterpret_cast<float*>(host(step_.inv_freq));
  for (size_t i = 0; i < layout.ropes.size(); ++i) {
    const StepLayout::Rope& rope = layout.ropes[i];
    reinterpret_cast<float*>(host(step_.rope_scales))[i] = rope.scale;
    ints(step_.rope_halves)[i] = static_cast<int32_t>(rope.inv_freq.size());
    float* const to = inv_freq + i * step_.half_rotary;
    std::fill(std::copy(rope.inv_freq.begin(), rope.inv_freq.end(), to), to + step_.half_rotary,
              0.0f);
  }
  std::memset(host(step_.non_finite), 0, layout.rows * sizeof(int32_t));
  std::copy(layout.block_table.begin(), layout.block_table.end(), ints(step_.block_table));
  const size_t bytes = host(step_.block_table) - host_ + layout.block_table.size() * 4;
  return CudaStatus(cudaMemcpyAsync(device_->data(), host_, bytes, cudaMemcpyHostToDevice, stream),
                    "copying the layout of a step");
}

char* StepBuffers::HostPlace(const void* on_device) const {
  return host_ + (static_cast<const char*>(on_device) - device_->as<char>());
}

const int32_t* StepBuffers::non_finite() const {
  return reinterpret_cast<const int32_t*>(HostPlace(step_.non_finite));
}

absl::Status StepBuffers::FetchNonFinite(cudaStream_t stream) {
  return CudaStatus(cudaMemcpyAsync(HostPlace(step_.non_finite), step_.non_finite,
                                    step_.rows * sizeof(int32_t), cudaMemcpyDeviceToHost, stream),
                    "reading flags");
}

}  // namespace gantry
