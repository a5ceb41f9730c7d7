#ifndef GANTRY_KERNELS_HOST_BACKEND_H_
#define GANTRY_KERNELS_HOST_BACKEND_H_

#include <memory>
#include <vector>

#include "kernels/arguments.h"
#include "kernels/backend.h"
#include "kernels/host_memory.h"

namespace gantry {

// What backends on the host's memory share: every op is done when it returns, activations are
// float.
class HostBackend : public Backend {
 public:
  DType activation_dtype() const override { return DType::kF32; }
  absl::Status Configure(const ComputeOptions& options) override;
  absl::StatusOr<std::unique_ptr<Buffer>> Allocate(size_t bytes) override;
  absl::Status Upload(absl::Span<const char> from, Buffer* to, size_t offset) override;
  absl::Status Download(const Buffer& from, size_t offset, absl::Span<char> to) override;
  absl::Status BeginStep(const StepLayout& layout) override;
  absl::Status EndStep() override;
  absl::Status GatherLogitRows(const Buffer& x, int64_t features, Buffer* out) override;
  absl::Status Sample(const Buffer& logits, int64_t vocab, absl::Span<const SampleRequest> requests,
                      std::vector<SampleResult>* results) override;
  absl::Status NoteNonFinite(const Buffer& x, int64_t features) override;
  absl::StatusOr<std::vector<int32_t>> NonFiniteRows() override { return non_finite_; }
  absl::Status Synchronize() override { return absl::OkStatus(); }

 protected:
  // Calls body(i) for i in [0, count) on as many threads as the backend has.
  virtual void ForEach(int64_t count, absl::FunctionRef<void(int64_t)> body);
  // Checks that Attention makes before it touches anything. Requires an open step.
  absl::Status CheckAttentionStep(const AttentionArgs& args, const KvCacheShape& shape) const;
  const StepLayout& layout() const { return *layout_; }
  // cos and sin of row `row` of the step, each [rotary_dim / 2].
  const float* cosines(int64_t row) const { return rotation_.data() + rotation_at_[row]; }
  const float* sines(int64_t row, int64_t half) const { return cosines(row) + half; }
  // rotary_dim / 2 of a slice.
  int64_t HalfRotary(const StepLayout::Slice& slice) const {
    return layout_->ropes[slice.rope].inv_freq.size();
  }

 private:
  const StepLayout* layout_ = nullptr;
  std::vector<float> rotation_;
  std::vector<size_t> rotation_at_;  // [rows]
  std::vector<int32_t> non_finite_;
};

}  // namespace gantry

#endif  // GANTRY_KERNELS_HOST_BACKEND_H_
