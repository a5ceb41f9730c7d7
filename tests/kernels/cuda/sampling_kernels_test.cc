#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "kernels/cuda/cuda_sampler.h"
#include "kernels/cuda/sampling.h"
#include "kernels/sampling_shortlist.h"
#include "tests/kernels/cuda/device_testing.h"
#include "tests/kernels/sampling_testing.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

class SamplingKernelsTest : public DeviceTest {};

// One result a request, none where the row is needed.
std::vector<std::optional<SampleResult>> Sample(const std::vector<float>& logits, int vocab,
                                                const std::vector<SampleRequest>& requests) {
  const SamplePlan plan = PlanSampling(requests, vocab);
  const DeviceMemory d_logits = OnDevice(logits), d_jobs = OnDevice(plan.jobs),
                     d_penalties = OnDevice(plan.penalties), d_masks = OnDevice(plan.masks),
                     d_outcomes(plan.jobs.size() * sizeof(SampleOutcome)),
                     d_listed(plan.jobs.size() * plan.shortlist * sizeof(ShortlistToken)),
                     d_workspace(SampleWorkspaceBytes(vocab));
  CudaSampling sampling;
  sampling.logits = d_logits.as<float>();
  sampling.vocab = vocab;
  sampling.jobs = d_jobs.as<SampleJob>();
  sampling.job_count = plan.jobs.size();
  sampling.penalties = d_penalties.as<TokenPenalty>();
  sampling.masks = d_masks.as<uint32_t>();
  sampling.shortlist = plan.shortlist;
  sampling.outcomes = d_outcomes.as<SampleOutcome>();
  sampling.listed = d_listed.as<ShortlistToken>();
  sampling.workspace = d_workspace.data();
  ExpectCuda(LaunchSampling(sampling, nullptr));
  ExpectCuda(cudaDeviceSynchronize());
  const std::vector<SampleOutcome> outcomes = FromDevice<SampleOutcome>(d_outcomes);
  const std::vector<ShortlistToken> listed = FromDevice<ShortlistToken>(d_listed);
  const auto finding = [&](int job) {
    return SampleFinding{outcomes[job],
                         absl::MakeConstSpan(listed).subspan(size_t{1} * job * plan.shortlist,
                                                             outcomes[job].shortlisted)};
  };
  std::vector<std::optional<SampleResult>> results;
  for (size_t i = 0; i < requests.size(); ++i) {
    results.push_back(FinishSampling(requests[i], vocab, finding(plan.choice_jobs[i]),
                                     finding(plan.top_jobs[i])));
  }
  return results;
}

absl::Span<const float> RowOf(const std::vector<float>& logits, int vocab, int row) {
  return absl::MakeConstSpan(logits).subspan(size_t{1} * row * vocab, vocab);
}

TEST_F(SamplingKernelsTest, ChoosesAsFromTheWholeRow) {
  int decided = 0;
  int all = 0;
  for (int vocab : {1, 7, 33, 1000, 5000, 32000, 50257, 128256, 151669, 262144}) {
    // More requests than share the workspace.
    const int rows = vocab <= 5000 ? 150 : 12;
    std::vector<float> logits;
    std::vector<OwnedSampleRequest> owned;
    for (int row = 0; row < rows; ++row) {
      const std::vector<float> one = RandomLogits(vocab);
      logits.insert(logits.end(), one.begin(), one.end());
      owned.push_back(RandomSampleRequest(vocab));
    }
    std::vector<SampleRequest> requests;
    for (const OwnedSampleRequest& one : owned) requests.push_back(one.View());
    const std::vector<std::optional<SampleResult>> results = Sample(logits, vocab, requests);
    for (int row = 0; row < rows; ++row) {
      ++all;
      if (!results[row].has_value()) continue;
      ++decided;
      SCOPED_TRACE(testing::Message()
                   << Describe(requests[row]) << " of " << vocab << ", row " << row);
      ExpectSameSample(*results[row], SampleRow(RowOf(logits, vocab, row), requests[row]));
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(decided, all / 2);
}

TEST_F(SamplingKernelsTest, DecidesUsualRequests) {
  constexpr int kVocab = 128256;
  std::vector<SampleRequest> requests(5);
  requests[1].params.temperature = 0.6f;
  requests[1].params.top_p = 0.9f;
  requests[2].params.temperature = 0.7f;
  requests[2].params.top_k = 50;
  requests[3].params.temperature = 1;
  requests[4].top_logprobs = 20;
  std::vector<float> logits;
  for (size_t row = 0; row < requests.size(); ++row) {
    std::vector<float> one = RandomFloats(kVocab, 2);
    // The likely tokens are neighbours.
    for (int i = 0; i < 200; ++i) one[1000 + i] += Uniform(5, 12);
    logits.insert(logits.end(), one.begin(), one.end());
    requests[row].position = Dice(1000);
  }
  const std::vector<std::optional<SampleResult>> results = Sample(logits, kVocab, requests);
  for (size_t row = 0; row < requests.size(); ++row) {
    ASSERT_TRUE(results[row].has_value()) << row;
    ExpectSameSample(*results[row], SampleRow(RowOf(logits, kVocab, row), requests[row]));
  }
}

TEST_F(SamplingKernelsTest, Extremes) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  constexpr int kVocab = 3000;
  std::vector<std::vector<float>> rows(6, std::vector<float>(kVocab, 1.0f));
  rows[1][kVocab - 1] = kLargest;  // and the others far below
  rows[2][5] = kNan;
  rows[3][kVocab - 1] = std::numeric_limits<float>::infinity();
  rows[4].assign(kVocab, -0.0f);
  rows[4][17] = 0.0f;  // equal to the others
  rows[5].assign(kVocab, -kLargest);
  std::vector<float> logits;
  for (const auto& row : rows) logits.insert(logits.end(), row.begin(), row.end());
  for (float temperature : {0.0f, 1.0f}) {
    SampleRequest request;
    request.params.temperature = temperature;
    const std::vector<std::optional<SampleResult>> results =
        Sample(logits, kVocab, std::vector<SampleRequest>(rows.size(), request));
    for (size_t row = 0; row < rows.size(); ++row) {
      ASSERT_TRUE(results[row].has_value()) << row;
      ExpectSameSample(*results[row], SampleRow(rows[row], request));
    }
  }
}

TEST_F(SamplingKernelsTest, EverythingSuppressedIsTheLowestToken) {
  constexpr int kVocab = 100;
  std::vector<int32_t> all(kVocab);
  for (int i = 0; i < kVocab; ++i) all[i] = i;
  SampleRequest request;
  request.suppressed = all;
  for (float temperature : {0.0f, 1.0f}) {
    request.params.temperature = temperature;
    const auto results = Sample(RandomFloats(kVocab), kVocab, {request});
    ASSERT_TRUE(results[0].has_value());
    EXPECT_EQ(results[0]->token.token_id, 0);
  }
}

// Where a grammar leaves few tokens, the row is not needed.
TEST_F(SamplingKernelsTest, DecidesAmongFewAllowedTokens) {
  constexpr int kVocab = 50257;
  std::vector<OwnedSampleRequest> owned;
  const std::vector<int32_t> ids = {0, 31, 32, 4097, kVocab - 1};
  for (const std::vector<int32_t>& allowed : {ids, {kVocab - 1}, {0}}) {
    for (int kind = 0; kind < 5; ++kind) {
      OwnedSampleRequest& one = owned.emplace_back();
      SamplingParams& params = one.request.params;
      params.temperature = kind == 0 ? 0 : 0.8f;
      params.top_k = kind == 1 ? 50 : 0;
      params.top_p = kind == 2 ? 0.9f : 1;
      params.min_p = kind == 3 ? 0.05f : 0;
      one.request.position = Dice(1000);
      one.request.top_logprobs = kind;
      one.allowed = MaskOf(allowed, kVocab);
      one.biases = {{0, 100}, {31, 3}, {32, 3}, {kVocab - 1, -100}};
    }
  }
  std::vector<float> logits;
  std::vector<SampleRequest> requests;
  for (const OwnedSampleRequest& one : owned) {
    const std::vector<float> row = RandomFloats(kVocab, 2);
    logits.insert(logits.end(), row.begin(), row.end());
    requests.push_back(one.View());
  }
  const std::vector<std::optional<SampleResult>> results = Sample(logits, kVocab, requests);
  for (size_t row = 0; row < requests.size(); ++row) {
    ASSERT_TRUE(results[row].has_value()) << row;
    ExpectSameSample(*results[row], SampleRow(RowOf(logits, kVocab, row), requests[row]));
  }
}

// All of them, by the row where the device's findings do not decide; and again with more and fewer
// rows, penalties and masks in the buffers that are there.
TEST_F(SamplingKernelsTest, TheSamplerAgreesWithTheReference) {
  CudaSampler sampler;
  for (const int rows : {1, 70, 3, 90}) {
    const int vocab = 1 + Dice(40000);
    std::vector<float> logits;
    std::vector<OwnedSampleRequest> owned;
    for (int row = 0; row < rows; ++row) {
      const std::vector<float> one = RandomLogits(vocab);
      logits.insert(logits.end(), one.begin(), one.end());
      owned.push_back(RandomSampleRequest(vocab));
    }
    std::vector<SampleRequest> requests;
    for (const OwnedSampleRequest& one : owned) requests.push_back(one.View());
    const DeviceMemory d_logits = OnDevice(logits);
    std::vector<SampleResult> results;
    GANTRY_ASSERT_OK(sampler.Sample(d_logits.as<float>(), vocab, requests, nullptr, &results));
    ASSERT_EQ(results.size(), requests.size());
    for (int row = 0; row < rows; ++row) {
      SCOPED_TRACE(testing::Message()
                   << Describe(requests[row]) << " of " << vocab << ", row " << row);
      ExpectSameSample(results[row], SampleRow(RowOf(logits, vocab, row), requests[row]));
      if (HasFailure()) return;
    }
  }
}

TEST_F(SamplingKernelsTest, RefusesVocabulariesTooLarge) {
  EXPECT_TRUE(SupportsSampling(262144));
  EXPECT_FALSE(SupportsSampling(0));
  EXPECT_FALSE(SupportsSampling(1 << 20));
}

}  // namespace
}  // namespace gantry
