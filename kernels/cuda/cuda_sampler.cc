#include "kernels/cuda/cuda_sampler.h"

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda/cuda_status.h"
#include "kernels/cuda/sampling.h"
#include "kernels/sampling_shortlist.h"

namespace gantry {
namespace {

size_t RoundUp(size_t bytes) { return (bytes + 255) / 256 * 256; }

template <typename T>
size_t BytesOf(const std::vector<T>& values) {
  return values.size() * sizeof(T);
}

template <typename T>
void CopyTo(char* to, const std::vector<T>& values) {
  if (!values.empty()) std::memcpy(to, values.data(), BytesOf(values));
}

absl::Status Grow(size_t bytes, std::unique_ptr<CudaBuffer>* buffer) {
  if (*buffer != nullptr && (*buffer)->bytes() >= bytes) return absl::OkStatus();
  buffer->reset();
  GANTRY_ASSIGN_OR_RETURN(*buffer, CudaBuffer::Allocate(bytes + bytes / 2));
  return absl::OkStatus();
}

}  // namespace

CudaSampler::~CudaSampler() {
  if (host_ != nullptr) cudaFreeHost(host_);
}

size_t CudaSampler::bytes() const {
  size_t bytes = 0;
  for (const std::unique_ptr<CudaBuffer>* buffer : {&input_, &output_, &workspace_}) {
    if (*buffer != nullptr) bytes += (*buffer)->bytes();
  }
  return bytes;
}

absl::Status CudaSampler::Reserve(size_t input_bytes, size_t output_bytes, size_t workspace_bytes) {
  GANTRY_RETURN_IF_ERROR(Grow(input_bytes, &input_));
  GANTRY_RETURN_IF_ERROR(Grow(output_bytes, &output_));
  GANTRY_RETURN_IF_ERROR(Grow(workspace_bytes, &workspace_));
  const size_t host_bytes = input_bytes + output_bytes;
  if (host_bytes <= host_bytes_) return absl::OkStatus();
  if (host_ != nullptr) cudaFreeHost(host_);
  host_ = nullptr;
  host_bytes_ = 0;
  GANTRY_RETURN_IF_CUDA_ERROR(cudaMallocHost(&host_, host_bytes + host_bytes / 2),
                              "allocating pinned memory");
  host_bytes_ = host_bytes + host_bytes / 2;
  return absl::OkStatus();
}

absl::Status CudaSampler::Sample(const float* logits, int64_t vocab,
                                 absl::Span<const SampleRequest> requests, cudaStream_t stream,
                                 std::vector<SampleResult>* results) {
  results->assign(requests.size(), {});
  if (requests.empty()) return absl::OkStatus();
  if (!SupportsSampling(vocab)) {
    return absl::InvalidArgumentError(
        absl::StrCat("sampling from ", vocab, " tokens: expected at most ", kMostSampledVocab));
  }
  SamplePlan plan = PlanSampling(requests, vocab);
  if (!lists_.has_value()) lists_ = SupportsShortlist();
  if (!*lists_) {
    // What a list would decide is then decided by the whole row.
    plan.shortlist = 0;
    for (SampleJob& job : plan.jobs) job.wants_shortlist = false;
  }
  const size_t penalties_at = RoundUp(BytesOf(plan.jobs));
  const size_t masks_at = penalties_at + RoundUp(BytesOf(plan.penalties));
  const size_t input_bytes = masks_at + BytesOf(plan.masks);
  const size_t outcome_bytes = RoundUp(plan.jobs.size() * sizeof(SampleOutcome));
  const size_t list_bytes =
      plan.jobs.size() * static_cast<size_t>(plan.shortlist) * sizeof(ShortlistToken);
  GANTRY_RETURN_IF_ERROR(
      Reserve(RoundUp(input_bytes), outcome_bytes + list_bytes, SampleWorkspaceBytes(vocab)));

  CopyTo(host_, plan.jobs);
  CopyTo(host_ + penalties_at, plan.penalties);
  CopyTo(host_ + masks_at, plan.masks);
  GANTRY_RETURN_IF_CUDA_ERROR(
      cudaMemcpyAsync(input_->data(), host_, input_bytes, cudaMemcpyHostToDevice, stream),
      "copying what is to be sampled");
  CudaSampling sampling;
  sampling.logits = logits;
  sampling.vocab = vocab;
  sampling.jobs = input_->as<SampleJob>();
  sampling.job_count = static_cast<int>(plan.jobs.size());
  sampling.penalties = reinterpret_cast<TokenPenalty*>(input_->as<char>() + penalties_at);
  sampling.masks = reinterpret_cast<uint32_t*>(input_->as<char>() + masks_at);
  sampling.shortlist = plan.shortlist;
  sampling.outcomes = output_->as<SampleOutcome>();
  sampling.listed = reinterpret_cast<ShortlistToken*>(output_->as<char>() + outcome_bytes);
  sampling.workspace = workspace_->data();
  GANTRY_RETURN_IF_CUDA_ERROR(LaunchSampling(sampling, stream), "sampling");
  char* const found = host_ + RoundUp(input_bytes);
  GANTRY_RETURN_IF_CUDA_ERROR(cudaMemcpyAsync(found, output_->data(), outcome_bytes + list_bytes,
                                              cudaMemcpyDeviceToHost, stream),
                              "reading what was sampled");
  GANTRY_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(stream), "computing");

  const auto* const outcomes = reinterpret_cast<const SampleOutcome*>(found);
  const auto* const listed = reinterpret_cast<const ShortlistToken*>(found + outcome_bytes);
  const auto finding = [&](int32_t job) {
    return SampleFinding{outcomes[job],
                         absl::MakeConstSpan(listed + static_cast<int64_t>(job) * plan.shortlist,
                                             outcomes[job].shortlisted)};
  };
  std::vector<float> row;
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::optional<SampleResult> result =
        FinishSampling(requests[i], vocab, finding(plan.choice_jobs[i]), finding(plan.top_jobs[i]));
    if (result.has_value()) {
      (*results)[i] = *result;
      continue;
    }
    row.resize(vocab);
    GANTRY_RETURN_IF_CUDA_ERROR(
        cudaMemcpyAsync(row.data(), logits + static_cast<int64_t>(i) * vocab, vocab * sizeof(float),
                        cudaMemcpyDeviceToHost, stream),
        "reading logits");
    GANTRY_RETURN_IF_CUDA_ERROR(cudaStreamSynchronize(stream), "reading logits");
    (*results)[i] = SampleRow(row, requests[i]);
  }
  return absl::OkStatus();
}

}  // namespace gantry
