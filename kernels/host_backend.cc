#include "kernels/host_backend.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace gantry {

void HostBackend::ForEach(int64_t count, absl::FunctionRef<void(int64_t)> body) {
  for (int64_t i = 0; i < count; ++i) body(i);
}

absl::StatusOr<std::unique_ptr<Buffer>> HostBackend::Allocate(size_t bytes) {
  GANTRY_ASSIGN_OR_RETURN(HostMemory memory, HostMemory::Allocate(bytes));
  return std::unique_ptr<Buffer>(new HostBuffer(std::move(memory)));
}

absl::Status HostBackend::Configure(const ComputeOptions& options) {
  if (options.activation_dtype == DType::kF32) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name(), " computes in F32, found ", DTypeName(options.activation_dtype)));
}

absl::Status HostBackend::Upload(absl::Span<const char> from, Buffer* to, size_t offset) {
  Require(offset <= to->bytes() && from.size() <= to->bytes() - offset, "upload beyond a buffer");
  if (!from.empty()) std::memcpy(to->as<char>() + offset, from.data(), from.size());
  return absl::OkStatus();
}

absl::Status HostBackend::Download(const Buffer& from, size_t offset, absl::Span<char> to) {
  Require(offset <= from.bytes() && to.size() <= from.bytes() - offset, "download beyond a buffer");
  if (!to.empty()) std::memcpy(to.data(), from.as<char>() + offset, to.size());
  return absl::OkStatus();
}

absl::Status HostBackend::BeginStep(const StepLayout& layout) {
  Require(layout_ == nullptr, "BeginStep within a step");
  GANTRY_RETURN_IF_ERROR(CheckLayout(layout));
  non_finite_.clear();
  rotation_.clear();
  rotation_at_.clear();
  for (const StepLayout::Slice& slice : layout.slices) {
    const StepLayout::Rope& rope = layout.ropes[slice.rope];
    const size_t half = rope.inv_freq.size();
    for (int32_t row = 0; row < slice.rows; ++row) {
      const size_t at = rotation_.size();
      rotation_at_.push_back(at);
      rotation_.resize(at + 2 * half);
      const float position = static_cast<float>(slice.start_position + row);
      for (size_t i = 0; i < half; ++i) {
        // The angle is rounded to float as the model was trained; what follows is exact.
        const double angle = position * rope.inv_freq[i];
        rotation_[at + i] = static_cast<float>(std::cos(angle)) * rope.scale;
        rotation_[at + half + i] = static_cast<float>(std::sin(angle)) * rope.scale;
      }
    }
  }
  layout_ = &layout;
  return absl::OkStatus();
}

absl::Status HostBackend::EndStep() {
  layout_ = nullptr;
  return absl::OkStatus();
}

absl::Status HostBackend::CheckAttentionStep(const AttentionArgs& args,
                                             const KvCacheShape& shape) const {
  Require(layout_ != nullptr, "Attention outside of a step");
  CheckAttention(args, layout_->rows, sizeof(float));
  Require(shape.kv_heads == args.kv_heads && shape.head_dim == args.head_dim,
          "the cache is of another shape");
  GANTRY_RETURN_IF_ERROR(CheckRopes(*layout_, args.head_dim));
  return CheckBlocks(*layout_, shape);
}

absl::Status HostBackend::GatherLogitRows(const Buffer& x, int64_t features, Buffer* out) {
  Require(layout_ != nullptr, "GatherLogitRows outside of a step");
  const std::vector<int32_t>& rows = layout_->logit_rows;
  CheckBytes(&x, layout_->rows, features, sizeof(float), "x");
  CheckBytes(out, rows.size(), features, sizeof(float), "out");
  Require(out != &x, "rows cannot be gathered in place");
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(out->as<float>() + i * features, x.as<float>() + rows[i] * features,
                features * sizeof(float));
  }
  return absl::OkStatus();
}

absl::Status HostBackend::Sample(const Buffer& logits, int64_t vocab,
                                 absl::Span<const SampleRequest> requests,
                                 std::vector<SampleResult>* results) {
  CheckBytes(&logits, requests.size(), vocab, sizeof(float), "logits");
  GANTRY_RETURN_IF_ERROR(CheckSampleRequests(requests, vocab));
  results->assign(requests.size(), {});
  ForEach(requests.size(), [&](int64_t i) {
    const float* row = logits.as<float>() + i * vocab;
    (*results)[i] = SampleRow(absl::MakeConstSpan(row, vocab), requests[i]);
  });
  return absl::OkStatus();
}

absl::Status HostBackend::NoteNonFinite(const Buffer& x, int64_t features) {
  Require(layout_ != nullptr, "NoteNonFinite outside of a step");
  CheckBytes(&x, layout_->rows, features, sizeof(float), "x");
  for (int32_t i = 0; i < layout_->rows; ++i) {
    const float* values = x.as<float>() + i * features;
    bool finite = true;
    for (int64_t j = 0; j < features; ++j) finite &= std::isfinite(values[j]);
    if (!finite) non_finite_.push_back(i);
  }
  return absl::OkStatus();
}

}  // namespace gantry
