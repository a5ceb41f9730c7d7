#include "kernels/sampling_shortlist.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/sampling_testing.h"

namespace gantry {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Found {
  SampleOutcome outcome;
  std::vector<ShortlistToken> shortlist;
  SampleFinding View() const { return {outcome, shortlist}; }
};

// What a device would find that can list `most` tokens.
Found Find(const std::vector<float>& logits, const SampleJob& job, const SamplePlan& plan,
           size_t most) {
  Found found;
  SampleOutcome& outcome = found.outcome;
  std::vector<float> scores = logits;
  for (const TokenPenalty& penalty :
       absl::MakeConstSpan(plan.penalties).subspan(job.first_penalty, job.penalties)) {
    float& score = scores[penalty.token];
    score = std::clamp(score + penalty.bias, -kLargest, kLargest);
    if (penalty.seen) {
      score = score < 0 ? score * job.repetition_penalty : score / job.repetition_penalty;
      score = std::clamp(score, -kLargest, kLargest);
    }
    if (penalty.generated > 0) {
      score = score - job.presence_penalty - job.frequency_penalty * penalty.generated;
      score = std::clamp(score, -kLargest, kLargest);
    }
    if (penalty.suppressed) score = kNever;
  }
  for (size_t id = 0; job.mask >= 0 && id < scores.size(); ++id) {
    const uint32_t word = plan.masks[job.mask * MaskWords(scores.size()) + id / 32];
    if ((word >> id % 32 & 1) == 0) scores[id] = kNever;
  }
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
  outcome.finite =
      std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
  outcome.best = order[0];
  outcome.best_score = scores[order[0]];
  outcome.best_logit = logits[order[0]];
  if (job.given_token >= 0) outcome.given_logit = logits[job.given_token];
  const float max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(double{logit} - max);
  outcome.log_sum = max + std::log(sum);
  if (job.wants_shortlist) {
    for (size_t i = 0; i < std::min(most, order.size()); ++i) {
      found.shortlist.push_back({order[i], scores[order[i]], logits[order[i]]});
    }
    outcome.shortlisted = static_cast<int32_t>(found.shortlist.size());
    outcome.complete = most >= order.size() || scores[order[most]] == kNever;
  }
  if ((job.wants_total || job.wants_draw) && outcome.best_score != kNever) {
    std::vector<double> weights;
    for (float score : scores) {
      weights.push_back(std::exp((score - double{outcome.best_score}) / job.temperature));
    }
    // Backwards: another order than the host's.
    outcome.total = std::accumulate(weights.rbegin(), weights.rend(), 0.0);
    double begin = 0;
    for (size_t i = 0; job.wants_draw && i < weights.size(); ++i) {
      if (job.uniform * outcome.total < begin + weights[i]) {
        outcome.drawn = static_cast<int32_t>(i);
        outcome.drawn_logit = logits[i];
        outcome.drawn_begin = begin;
        outcome.drawn_end = begin + weights[i];
        break;
      }
      begin += weights[i];
    }
  }
  return found;
}

std::optional<SampleResult> Sample(const std::vector<float>& logits, const SampleRequest& request,
                                   size_t most) {
  const SamplePlan plan = PlanSampling(absl::MakeConstSpan(&request, 1), logits.size());
  EXPECT_LE(plan.shortlist, kMostShortlisted);
  most = std::min<size_t>(most, plan.shortlist);
  const Found choice = Find(logits, plan.jobs[plan.choice_jobs[0]], plan, most);
  const Found top = Find(logits, plan.jobs[plan.top_jobs[0]], plan, most);
  return FinishSampling(request, logits.size(), choice.View(), top.View());
}

TEST(SamplingShortlistTest, ChoosesAsFromTheWholeRow) {
  int decided = 0;
  constexpr int kRounds = 4000;
  for (int round = 0; round < kRounds; ++round) {
    const int vocab = 1 + Dice(Dice(2) > 0 ? 5000 : 40);
    const std::vector<float> logits = RandomLogits(vocab);
    const OwnedSampleRequest owned = RandomSampleRequest(vocab);
    const SampleRequest request = owned.View();
    const size_t most = 1 + Dice(2000);
    const std::optional<SampleResult> result = Sample(logits, request, most);
    if (!result.has_value()) continue;
    ++decided;
    SCOPED_TRACE(testing::Message() << Describe(request) << " of " << vocab << ", listed " << most);
    ExpectSameSample(*result, SampleRow(logits, request));
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(decided, kRounds / 2);
}

SampleRequest Drawing(float temperature, int32_t top_k, float top_p) {
  SampleRequest request;
  request.params.temperature = temperature;
  request.params.top_k = top_k;
  request.params.top_p = top_p;
  return request;
}

// What is asked for as a rule must not need the row.
TEST(SamplingShortlistTest, DecidesUsualRequests) {
  std::vector<float> logits = RandomFloats(32000, 3);
  logits[Dice(32000)] = 15;
  for (int round = 0; round < 20; ++round) {
    for (const SampleRequest& usual :
         {SampleRequest{}, Drawing(0.6f, 0, 0.9f), Drawing(0.7f, 50, 1), Drawing(1, 40, 0.95f),
          Drawing(1, 0, 1)}) {
      SampleRequest request = usual;
      request.position = round;
      request.top_logprobs = 5;
      const std::optional<SampleResult> result = Sample(logits, request, 1000);
      ASSERT_TRUE(result.has_value()) << Describe(request);
      ExpectSameSample(*result, SampleRow(logits, request));
    }
  }
}

TEST(SamplingShortlistTest, LeavesToTheRowWhatTheListDoesNotHold) {
  const std::vector<float> flat(5000, 1.0f);
  EXPECT_FALSE(Sample(flat, Drawing(1, 50, 1), 1024).has_value());    // more are equal to the 50th
  EXPECT_FALSE(Sample(flat, Drawing(1, 0, 0.9f), 1024).has_value());  // 4500 are kept
  std::vector<float> falling(5000);
  for (size_t i = 0; i < falling.size(); ++i) falling[i] = -0.001f * i;
  EXPECT_FALSE(Sample(falling, Drawing(1, 2000, 1), 1024).has_value());
  EXPECT_FALSE(Sample(falling, Drawing(1, 50, 1), 49).has_value());
  EXPECT_FALSE(Sample(falling, Drawing(1, 50, 1), 50).has_value());  // the 51st may be equal
  EXPECT_TRUE(Sample(falling, Drawing(1, 50, 1), 51).has_value());
  SampleRequest request;
  request.top_logprobs = 10;
  EXPECT_FALSE(Sample(falling, request, 9).has_value());
  EXPECT_TRUE(Sample(falling, request, 10).has_value());
}

TEST(SamplingShortlistTest, DoesNotTrustACutWithinRounding) {
  // The first two weigh exactly half.
  const std::vector<float> four(4, 0.0f);
  std::vector<float> logits = four;
  logits.insert(logits.end(), 3000, -1000.0f);
  EXPECT_FALSE(Sample(logits, Drawing(1, 0, 0.5f), 1024).has_value());
  EXPECT_TRUE(Sample(logits, Drawing(1, 0, 0.51f), 1024).has_value());
}

// Where a grammar leaves few tokens, all of them are listed and the row is not needed.
TEST(SamplingShortlistTest, DecidesAmongFewAllowedTokens) {
  const std::vector<float> flat(5000, 1.0f);
  for (const std::vector<int32_t>& ids : {std::vector<int32_t>{4999}, {0, 31, 32, 4000}}) {
    const std::vector<uint8_t> mask = MaskOf(ids, 5000);
    for (const SampleRequest& usual :
         {SampleRequest{}, Drawing(0.7f, 50, 1), Drawing(0.6f, 0, 0.9f), Drawing(1, 0, 1),
          Drawing(1, 2, 0.5f)}) {
      SampleRequest request = usual;
      request.allowed = mask;
      const std::optional<SampleResult> result = Sample(flat, request, 1000);
      ASSERT_TRUE(result.has_value()) << Describe(request);
      ExpectSameSample(*result, SampleRow(flat, request));
    }
  }
}

TEST(SamplingShortlistTest, MasksOfSeveralRequestsLieSideBySide) {
  const std::vector<uint8_t> first = MaskOf({0}, 33);
  const std::vector<uint8_t> second = MaskOf({32}, 33);
  std::vector<SampleRequest> requests(3);
  requests[0].allowed = first;
  requests[2].allowed = second;
  requests[2].top_logprobs = 1;
  const SamplePlan plan = PlanSampling(requests, 33);
  EXPECT_EQ(plan.masks, (std::vector<uint32_t>{1, 0, 0, 1}));
  ASSERT_EQ(plan.jobs.size(), 4u);
  EXPECT_EQ(plan.jobs[0].mask, 0);
  EXPECT_EQ(plan.jobs[1].mask, -1);
  EXPECT_EQ(plan.jobs[2].mask, 1);
  EXPECT_EQ(plan.jobs[3].mask, -1) << "alternatives are those of the logits as they came";
}

TEST(SamplingShortlistTest, ReportsNonFiniteRows) {
  const std::optional<SampleResult> result = Sample({0, kNan, 1}, {}, 10);
  ASSERT_TRUE(result.has_value());
  EXPECT_FALSE(result->finite);
}

TEST(SamplingShortlistTest, PlansOneJobUnlessAlternativesLackThePenalties) {
  const int32_t generated[] = {3, 3, 4, -1, 100};
  SampleRequest request;
  request.generated = generated;
  request.params.frequency_penalty = 1;
  SamplePlan plan = PlanSampling(absl::MakeConstSpan(&request, 1), 100);
  EXPECT_EQ(plan.jobs.size(), 1u);
  EXPECT_EQ(plan.shortlist, 0);
  ASSERT_EQ(plan.penalties.size(), 2u);
  EXPECT_EQ(plan.penalties[0].generated, 2);
  EXPECT_EQ(plan.penalties[1].generated, 1);
  request.top_logprobs = 3;
  plan = PlanSampling(absl::MakeConstSpan(&request, 1), 100);
  EXPECT_EQ(plan.jobs.size(), 2u);
  EXPECT_EQ(plan.choice_jobs[0], 0);
  EXPECT_EQ(plan.top_jobs[0], 1);
  EXPECT_EQ(plan.jobs[1].penalties, 0);
  EXPECT_EQ(plan.shortlist, 3);
}

}  // namespace
}  // namespace gantry
