#ifndef GANTRY_TESTS_KERNELS_SAMPLING_TESTING_H_
#define GANTRY_TESTS_KERNELS_SAMPLING_TESTING_H_

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "kernels/sampling.h"
#include "tests/kernels/kernel_testing.h"

namespace gantry {

// A request with what it points to.
struct OwnedSampleRequest {
  SampleRequest request;
  std::vector<int32_t> prompt;
  std::vector<int32_t> generated;
  std::vector<int32_t> suppressed;
  std::vector<TokenBias> biases;
  std::vector<uint8_t> allowed;

  SampleRequest View() const {
    SampleRequest view = request;
    view.prompt = prompt;
    view.generated = generated;
    view.suppressed = suppressed;
    view.biases = biases;
    view.allowed = allowed;
    return view;
  }
};

inline int Dice(int sides) {
  return std::uniform_int_distribution<int>(0, sides - 1)(TestRandom());
}
inline float Uniform(float least, float most) {
  return std::uniform_real_distribution<float>(least, most)(TestRandom());
}

// A mask under which only these tokens may be chosen.
inline std::vector<uint8_t> MaskOf(const std::vector<int32_t>& ids, int vocab) {
  std::vector<uint8_t> mask(MaskBytes(vocab));
  for (int32_t id : ids) mask[id / 8] |= 1 << id % 8;
  return mask;
}

// One token, a few or most of them; the bits behind the last token mean nothing.
inline std::vector<uint8_t> RandomMask(int vocab) {
  std::vector<uint8_t> mask(MaskBytes(vocab));
  if (Dice(3) == 0) {
    mask = MaskOf({Dice(vocab)}, vocab);
  } else {
    const float share = Dice(2) > 0 ? 0.95f : Uniform(0, 0.01f);
    for (int id = 0; id < vocab; ++id) {
      if (Uniform(0, 1) < share) mask[id / 8] |= 1 << id % 8;
    }
  }
  if (vocab % 8 > 0 && Dice(2) > 0) mask.back() |= 0xff << vocab % 8;
  return mask;
}

// Each token once, some that are no tokens among them.
inline std::vector<TokenBias> RandomBiases(int vocab) {
  std::map<int32_t, float> biases;
  const int most = Dice(2) > 0 ? 300 : vocab;
  for (int i = Dice(60); i > 0; --i) {
    biases[Dice(most + 2) - 1] = Dice(5) > 0 ? Uniform(-8, 8) : Dice(2) > 0 ? 100 : -100;
  }
  std::vector<TokenBias> list;
  for (const auto& [id, bias] : biases) list.push_back({id, bias});
  return list;
}

// Any of the parameters, alone and together, and often none.
inline OwnedSampleRequest RandomSampleRequest(int vocab) {
  OwnedSampleRequest owned;
  SampleRequest& request = owned.request;
  SamplingParams& params = request.params;
  if (Dice(4) > 0) params.temperature = Uniform(0.05f, 2);
  if (Dice(2) > 0) params.top_k = 1 + Dice(Dice(2) > 0 ? 60 : vocab + 10);
  if (Dice(2) > 0) params.top_p = Uniform(0, 1);
  if (Dice(3) == 0) params.min_p = Uniform(0, 0.3f);
  if (Dice(3) == 0) params.repetition_penalty = Uniform(0.5f, 2);
  if (Dice(4) == 0) params.presence_penalty = Uniform(-1, 2);
  if (Dice(4) == 0) params.frequency_penalty = Uniform(-0.5f, 1);
  params.seed = TestRandom()();
  request.position = Dice(10000);
  if (Dice(3) == 0) request.top_logprobs = 1 + Dice(std::min(vocab, 20));
  if (Dice(8) == 0) request.given_token = Dice(vocab);
  for (std::vector<int32_t>* ids : {&owned.prompt, &owned.generated, &owned.suppressed}) {
    if (Dice(2) == 0) continue;
    // Few of them, so that some repeat, and some that are no tokens.
    const int most = 1 + Dice(300);
    for (int i = Dice(200); i > 0; --i) ids->push_back(Dice(most) - 1);
  }
  if (Dice(3) == 0) owned.biases = RandomBiases(vocab);
  if (Dice(3) == 0) owned.allowed = RandomMask(vocab);
  return owned;
}

// Logits as models have them: near to normal, some large, sometimes of few digits so that many are
// equal.
inline std::vector<float> RandomLogits(int vocab) {
  std::vector<float> logits = RandomFloats(vocab, Uniform(0.1f, 4));
  for (int i = Dice(50); i > 0; --i) logits[Dice(vocab)] += Uniform(0, 10);
  if (Dice(3) == 0) {
    for (float& logit : logits) logit = std::nearbyint(logit * 8) / 8;
  }
  return logits;
}

inline std::string Describe(const SampleRequest& request) {
  const SamplingParams& params = request.params;
  return testing::PrintToString(std::vector<double>{
             params.temperature, double(params.top_k), params.top_p, params.min_p,
             params.repetition_penalty, params.presence_penalty, params.frequency_penalty}) +
         " position " + std::to_string(request.position) + " seed " + std::to_string(params.seed) +
         " biases " + std::to_string(request.biases.size()) +
         (request.allowed.empty() ? "" : " masked");
}

// The same tokens; log-probabilities up to the device's sums in single precision.
inline void ExpectSameSample(const SampleResult& actual, const SampleResult& expected) {
  ASSERT_EQ(actual.finite, expected.finite);
  if (!expected.finite) return;
  EXPECT_EQ(actual.token.token_id, expected.token.token_id);
  const auto near = [](float a, float b) { EXPECT_NEAR(a, b, 1e-6 + 1e-6 * std::fabs(b)); };
  near(actual.token.logprob, expected.token.logprob);
  ASSERT_EQ(actual.top.size(), expected.top.size());
  for (size_t i = 0; i < expected.top.size(); ++i) {
    EXPECT_EQ(actual.top[i].token_id, expected.top[i].token_id) << i;
    near(actual.top[i].logprob, expected.top[i].logprob);
  }
}

}  // namespace gantry

#endif  // GANTRY_TESTS_KERNELS_SAMPLING_TESTING_H_
