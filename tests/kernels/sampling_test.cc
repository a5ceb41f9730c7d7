#include "kernels/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/kernel_testing.h"

namespace gantry {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

SampleRequest Drawing(float temperature, uint64_t seed = 1) {
  SampleRequest request;
  request.params.temperature = temperature;
  request.params.seed = seed;
  return request;
}

// How often each token is drawn in `draws` draws.
std::map<int32_t, int> Draw(const std::vector<float>& logits, SampleRequest request,
                            int draws = 4000) {
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) {
    request.position = i;
    ++counts[SampleRow(logits, request).token.token_id];
  }
  return counts;
}

std::vector<int32_t> Ids(const std::map<int32_t, int>& counts) {
  std::vector<int32_t> ids;
  for (const auto& [id, count] : counts) ids.push_back(id);
  return ids;
}

int32_t Greedy(const std::vector<float>& logits, const SampleRequest& request = {}) {
  return SampleRow(logits, request).token.token_id;
}

using Expected = std::vector<int32_t>;

TEST(SamplingTest, GreedyTakesTheLargestAndTheLowestIdOfEquals) {
  EXPECT_EQ(Greedy({1, 3, 2}), 1);
  EXPECT_EQ(Greedy({-5, -1, -1, -2}), 1);
  EXPECT_EQ(Greedy({0}), 0);
  EXPECT_EQ(Greedy({0, -0.0f}), 0);
}

TEST(SamplingTest, GreedyIgnoresSeedAndFilters) {
  SampleRequest request;
  request.params.top_k = 1;
  request.params.top_p = 0;
  request.params.min_p = 1;
  request.params.seed = 99;
  EXPECT_EQ(Greedy({1, 2, 3}, request), 2);
}

TEST(SamplingTest, LogprobIsOfTheLogitsAsTheyCame) {
  SampleRequest request;
  const int32_t banned[] = {1};
  request.suppressed = banned;
  request.params.repetition_penalty = 3;
  request.generated = banned;
  const SampleResult result =
      SampleRow(std::vector<float>{std::log(2.0f), std::log(6.0f), 0}, request);
  EXPECT_EQ(result.token.token_id, 0);
  EXPECT_NEAR(result.token.logprob, std::log(2.0 / 9), 1e-6);
}

TEST(SamplingTest, LogprobsAreStableFarFromZero) {
  const SampleResult result = SampleRow(std::vector<float>{3e38f, -3e38f}, {});
  EXPECT_TRUE(result.finite);
  EXPECT_EQ(result.token.logprob, 0);
}

TEST(SamplingTest, TopLogprobsDescendAndBreakTiesById) {
  SampleRequest request;
  request.top_logprobs = 3;
  const SampleResult result = SampleRow(std::vector<float>{0, 2, 1, 2, -1}, request);
  ASSERT_EQ(result.top.size(), 3u);
  EXPECT_EQ(result.top[0].token_id, 1);
  EXPECT_EQ(result.top[1].token_id, 3);
  EXPECT_EQ(result.top[2].token_id, 2);
  EXPECT_FLOAT_EQ(result.top[0].logprob, result.top[1].logprob);
  EXPECT_FLOAT_EQ(result.top[2].logprob, result.top[0].logprob - 1);
  request.top_logprobs = 100;
  EXPECT_EQ(SampleRow(std::vector<float>{0, 1}, request).top.size(), 2u);
}

TEST(SamplingTest, GivenTokenIsReportedAndNotSampled) {
  SampleRequest request = Drawing(1);
  request.given_token = 2;
  const SampleResult result = SampleRow(std::vector<float>{0, 50, 0}, request);
  EXPECT_EQ(result.token.token_id, 2);
  EXPECT_NEAR(result.token.logprob, -50, 1e-4);
}

TEST(SamplingTest, NotFiniteIsReported) {
  for (float bad : {kNan, kInfinity, -kInfinity}) {
    EXPECT_FALSE(SampleRow(std::vector<float>{0, bad, 1}, {}).finite);
  }
  EXPECT_FALSE(SampleRow(std::vector<float>{}, {}).finite);
  EXPECT_TRUE(SampleRow(std::vector<float>{0, 1}, {}).finite);
}

// transformers: a seen token's positive logit is divided, a negative one multiplied, once each.
TEST(SamplingTest, RepetitionPenaltyCountsPromptAndGeneratedOnce) {
  const int32_t prompt[] = {0, 0, 0};
  const int32_t generated[] = {1, 0};
  SampleRequest request;
  request.params.repetition_penalty = 2;
  request.prompt = prompt;
  request.generated = generated;
  EXPECT_EQ(Greedy({4, 3, 1.9f}, request), 0);        // 2, 1.5, 1.9
  EXPECT_EQ(Greedy({4, 3, 2.1f}, request), 2);        // 2, 1.5, 2.1
  EXPECT_EQ(Greedy({-1, -1.5f, -1.9f}, request), 2);  // -2, -3, -1.9
  request.params.repetition_penalty = 0.5f;
  EXPECT_EQ(Greedy({1, 0, 1.9f}, request), 0);  // 2
}

TEST(SamplingTest, PresenceAndFrequencyPenaltiesCountGeneratedOnly) {
  const int32_t prompt[] = {2, 2, 2};
  const int32_t generated[] = {0, 0, 1};
  SampleRequest request;
  request.prompt = prompt;
  request.generated = generated;
  request.params.presence_penalty = 1;
  EXPECT_EQ(Greedy({3, 2.9f, 1.8f}, request), 0);  // 2, 1.9, 1.8
  request.params.frequency_penalty = 0.5f;
  EXPECT_EQ(Greedy({3, 2.9f, 1.3f}, request), 1);  // 1, 1.4, 1.3
  request.params.presence_penalty = -2;
  request.params.frequency_penalty = 0;
  EXPECT_EQ(Greedy({1, 0, 2.9f}, request), 0);  // 3
}

TEST(SamplingTest, PenaltiesThatOverflowStayFinite) {
  const int32_t generated[] = {0, 1};
  SampleRequest request = Drawing(0.5f);
  request.generated = generated;
  request.params.repetition_penalty = 1e-38f;
  request.params.presence_penalty = 3e38f;
  const SampleResult result = SampleRow(std::vector<float>{1e30f, -1e30f, 0}, request);
  EXPECT_TRUE(result.finite);
  EXPECT_GE(result.token.token_id, 0);
}

TEST(SamplingTest, IdsOutOfTheVocabularyAreIgnoredInPenalties) {
  const int32_t ids[] = {-1, 5, 1 << 30, 0};
  SampleRequest request;
  request.prompt = request.generated = request.suppressed = ids;
  request.params.repetition_penalty = 2;
  request.params.presence_penalty = 1;
  EXPECT_EQ(Greedy({9, 0, -1}, request), 1);
}

TEST(SamplingTest, SuppressedTokensAreNeverChosen) {
  const int32_t banned[] = {1, 3};
  SampleRequest request = Drawing(5);
  request.suppressed = banned;
  EXPECT_EQ(Ids(Draw({0, 9, 0, 9}, request)), (Expected{0, 2}));
  request.params.temperature = 0;
  EXPECT_EQ(Greedy({0, 9, 1, 9}, request), 2);
}

TEST(SamplingTest, BiasIsAddedToTheLogitBeforePenalties) {
  const int32_t prompt[] = {1};
  const TokenBias biases[] = {{1, 2.5f}, {2, -100}, {-1, 5}, {3, 5}};
  SampleRequest request;
  request.biases = biases;
  EXPECT_EQ(Greedy({1, -1, 3}, request), 1);  // 1, 1.5, -97
  request.prompt = prompt;
  request.params.repetition_penalty = 2;
  EXPECT_EQ(Greedy({1, -1, 3}, request), 0);  // 1, 0.75, -97
}

TEST(SamplingTest, BiasChangesTheChoiceAndNotTheLogprob) {
  const TokenBias biases[] = {{0, 100}};
  SampleRequest request;
  request.biases = biases;
  request.top_logprobs = 1;
  const SampleResult result = SampleRow(std::vector<float>{0, std::log(3.0f)}, request);
  EXPECT_EQ(result.token.token_id, 0);
  EXPECT_NEAR(result.token.logprob, std::log(0.25), 1e-6);
  EXPECT_EQ(result.top[0].token_id, 1);
}

TEST(SamplingTest, BiasThatOverflowsStaysFinite) {
  const TokenBias biases[] = {{0, 3e38f}, {1, -3e38f}};
  SampleRequest request = Drawing(1);
  request.biases = biases;
  EXPECT_EQ(Ids(Draw({3e38f, -3e38f}, request)), (Expected{0}));
}

TEST(SamplingTest, OnlyAllowedTokensAreChosen) {
  // 11 tokens; the bits behind them mean nothing.
  const std::vector<float> logits = {9, 0, 9, 0, 9, 9, 9, 9, 9, 0, 9};
  const uint8_t allowed[] = {0b00001010, 0b11111010};
  SampleRequest request = Drawing(5);
  request.allowed = allowed;
  EXPECT_EQ(Ids(Draw(logits, request)), (Expected{1, 3, 9}));
  request.params.temperature = 0;
  EXPECT_EQ(Greedy(logits, request), 1);
}

TEST(SamplingTest, TheMaskBeatsBiasPenaltiesAndFilters) {
  const int32_t generated[] = {4};
  const TokenBias biases[] = {{0, 100}, {4, -100}};
  const uint8_t one[] = {0b00010000};
  SampleRequest request = Drawing(1);
  request.biases = biases;
  request.generated = generated;
  request.params.frequency_penalty = 2;
  request.allowed = one;
  for (int32_t top_k : {0, 1, 3}) {
    request.params.top_k = top_k;
    EXPECT_EQ(Ids(Draw({9, 8, 7, 6, -30000}, request, 20)), (Expected{4})) << top_k;
  }
}

TEST(SamplingTest, InfiniteLogitsOfForbiddenTokensAreReportedToo) {
  const uint8_t one[] = {0b00000001};
  SampleRequest request;
  request.allowed = one;
  EXPECT_FALSE(SampleRow(std::vector<float>{0, -kInfinity, 1}, request).finite);
}

TEST(SamplingTest, EverythingSuppressedStillAnswers) {
  const int32_t banned[] = {0, 1};
  for (float temperature : {0.0f, 1.0f}) {
    SampleRequest request = Drawing(temperature);
    request.suppressed = banned;
    EXPECT_EQ(Greedy({0, 1}, request), 0);
  }
}

TEST(SamplingTest, DrawsFollowTheSoftmax) {
  const std::vector<float> logits = {0, 1, 2, -1, 0.5f};
  constexpr int kDraws = 20000;
  for (float temperature : {0.5f, 1.0f, 3.0f}) {
    const auto counts = Draw(logits, Drawing(temperature, 42), kDraws);
    double total = 0;
    for (float logit : logits) total += std::exp(logit / temperature);
    double chi_square = 0;
    for (size_t id = 0; id < logits.size(); ++id) {
      const double expected = kDraws * std::exp(logits[id] / temperature) / total;
      const double found = counts.count(id) ? counts.at(id) : 0;
      chi_square += (found - expected) * (found - expected) / expected;
    }
    EXPECT_LT(chi_square, 25) << "4 degrees of freedom, temperature " << temperature;
  }
}

TEST(SamplingTest, SeedAndPositionFixTheDraw) {
  const std::vector<float> logits(1000, 0);
  SampleRequest request = Drawing(1, 7);
  request.position = 3;
  const int32_t token = Greedy(logits, request);
  EXPECT_EQ(Greedy(logits, request), token);
  std::map<int32_t, int> others;
  for (uint64_t i = 0; i < 20; ++i) {
    request.position = i << 32;
    ++others[Greedy(logits, request)];
    request.position = 0;
    request.params.seed = i << 32;
    ++others[Greedy(logits, request)];
  }
  EXPECT_GT(others.size(), 30u);
}

// Known answers of the Random123 distribution's kat_vectors for philox4x32-10: counter and key 0
// give 6627e8d5 e169c58d ..., so the draw is 0x6627e8d5e169c58d / 2^64 = 0.39904...
TEST(SamplingTest, DrawIsPhilox) {
  const std::vector<float> logits(100000, 0);
  EXPECT_EQ(Greedy(logits, Drawing(1, 0)), 39904);
}

TEST(SamplingTest, TopK) {
  const std::vector<float> logits = {1, 4, 3, 2, 0};
  SampleRequest request = Drawing(10);
  request.params.top_k = 1;
  EXPECT_EQ(Ids(Draw(logits, request)), (Expected{1}));
  request.params.top_k = 3;
  EXPECT_EQ(Ids(Draw(logits, request)), (Expected{1, 2, 3}));
  for (int32_t all : {0, 5, 1000, -1}) {
    request.params.top_k = all;
    EXPECT_EQ(Ids(Draw(logits, request)), (Expected{0, 1, 2, 3, 4}));
  }
  // Ties with the last one stay.
  request.params.top_k = 2;
  EXPECT_EQ(Ids(Draw({1, 1, 2, 1, 0}, request)), (Expected{0, 1, 2, 3}));
}

TEST(SamplingTest, TopPKeepsTheSmallestSetThatReachesIt) {
  // Probabilities 0.5, 0.25, 0.125, 0.125.
  const std::vector<float> logits = {std::log(2.0f), std::log(8.0f), std::log(4.0f),
                                     std::log(2.0f)};
  SampleRequest request = Drawing(1);
  const auto drawn = [&](float top_p) {
    request.params.top_p = top_p;
    return Ids(Draw(logits, request));
  };
  EXPECT_EQ(drawn(0), (Expected{1}));
  EXPECT_EQ(drawn(0.4f), (Expected{1}));
  EXPECT_EQ(drawn(0.6f), (Expected{1, 2}));
  EXPECT_EQ(drawn(0.76f), (Expected{0, 1, 2}));
  EXPECT_EQ(drawn(0.99f), (Expected{0, 1, 2, 3}));
  EXPECT_EQ(drawn(1), (Expected{0, 1, 2, 3}));
}

TEST(SamplingTest, TopPIsOverWhatTopKLeft) {
  // Of 0.5, 0.3, 0.2 top-k keeps 0.625 and 0.375: the first alone reaches 0.6.
  SampleRequest request = Drawing(1);
  request.params.top_k = 2;
  request.params.top_p = 0.6f;
  EXPECT_EQ(Ids(Draw({std::log(0.5f), std::log(0.3f), std::log(0.2f)}, request)), (Expected{0}));
}

TEST(SamplingTest, MinPIsRelativeToTheMostLikely) {
  const std::vector<float> logits = {std::log(0.6f), std::log(0.29f), std::log(0.11f)};
  SampleRequest request = Drawing(1);
  const auto drawn = [&](float min_p) {
    request.params.min_p = min_p;
    return Ids(Draw(logits, request));
  };
  EXPECT_EQ(drawn(0), (Expected{0, 1, 2}));
  EXPECT_EQ(drawn(0.25f), (Expected{0, 1}));
  EXPECT_EQ(drawn(0.5f), (Expected{0}));
  EXPECT_EQ(drawn(1), (Expected{0}));
}

TEST(SamplingTest, TemperatureAtItsEdges) {
  EXPECT_EQ(Ids(Draw({1, 1.1f, 1}, Drawing(1e-45f))), (Expected{1}));
  EXPECT_EQ(Ids(Draw({1, 2, -3e38f}, Drawing(3e38f))), (Expected{0, 1, 2}));
}

TEST(SamplingTest, FiltersLeaveTheDistributionOfWhatTheyKeep) {
  const std::vector<float> logits = RandomFloats(500, 2);
  SampleRequest request = Drawing(1, 5);
  request.params.top_k = 3;
  constexpr int kDraws = 3000;
  const auto counts = Draw(logits, request, kDraws);
  std::vector<float> sorted = logits;
  std::sort(sorted.rbegin(), sorted.rend());
  double total = 0;
  for (int i = 0; i < 3; ++i) total += std::exp(sorted[i]);
  for (const auto& [id, count] : counts) {
    const double expected = std::exp(logits[id]) / total;
    EXPECT_NEAR(count / double{kDraws}, expected, 6 * std::sqrt(expected / kDraws) + 1e-3);
  }
}

}  // namespace
}  // namespace gantry
