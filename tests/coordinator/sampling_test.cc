#include "coordinator/sampling.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Edge {
  const char* field;
  void (v1::Sampling::*set)(float);
  float low;
  bool low_allowed;
  float high;
};

TEST(SamplingTest, EveryNumberIsCheckedAtItsEdges) {
  const Edge edges[] = {
      {"temperature", &v1::Sampling::set_temperature, 0, true, 100},
      {"top_p", &v1::Sampling::set_top_p, 0, false, 1},
      {"min_p", &v1::Sampling::set_min_p, 0, true, 1},
      {"repetition_penalty", &v1::Sampling::set_repetition_penalty, 0, false, 100},
      {"presence_penalty", &v1::Sampling::set_presence_penalty, -100, true, 100},
      {"frequency_penalty", &v1::Sampling::set_frequency_penalty, -100, true, 100},
  };
  for (const Edge& edge : edges) {
    const auto resolve = [&edge](float value) {
      v1::Sampling request;
      (request.*edge.set)(value);
      return ResolveSampling(request, {}, 0);
    };
    for (float bad : {std::nextafter(edge.low, -kInf), std::nextafter(edge.high, kInf), kNan, kInf,
                      -kInf, 1e38f, -1e38f}) {
      EXPECT_THAT(resolve(bad), StatusIs(absl::StatusCode::kInvalidArgument,
                                         HasSubstr(std::string("sampling.") + edge.field)))
          << bad;
    }
    EXPECT_EQ(resolve(edge.low).ok(), edge.low_allowed) << edge.field;
    EXPECT_THAT(resolve(edge.high), IsOk()) << edge.field;
    EXPECT_THAT(resolve(std::nextafter(edge.low, kInf)), IsOk()) << edge.field;
  }
}

TEST(SamplingTest, TopKIsNotNegative) {
  v1::Sampling request;
  request.set_top_k(-1);
  EXPECT_THAT(ResolveSampling(request, {}, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("top_k")));
  request.set_top_k(std::numeric_limits<int32_t>::max());
  EXPECT_THAT(ResolveSampling(request, {}, 0), IsOk());
}

TEST(SamplingTest, IsGreedyWithoutAnyConfiguration) {
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto params, ResolveSampling({}, {}, 7));
  EXPECT_EQ(params.temperature(), 0);
  EXPECT_EQ(params.top_k(), 0);
  EXPECT_EQ(params.top_p(), 1);
  EXPECT_EQ(params.min_p(), 0);
  EXPECT_EQ(params.repetition_penalty(), 1);
  EXPECT_EQ(params.seed(), 7);
}

TEST(SamplingTest, ATemperatureWithoutDoSampleIsIgnored) {
  GenerationConfig defaults;
  defaults.temperature = 0.7;
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto params, ResolveSampling({}, defaults, 0));
  EXPECT_EQ(params.temperature(), 0);
}

TEST(SamplingTest, DoSampleTakesTheModelsNumbers) {
  GenerationConfig defaults;
  defaults.do_sample = true;
  defaults.top_k = 50;
  defaults.top_p = 0.9;
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto params, ResolveSampling({}, defaults, 0));
  EXPECT_EQ(params.temperature(), 1);
  EXPECT_EQ(params.top_k(), 50);
  EXPECT_FLOAT_EQ(params.top_p(), 0.9f);
}

v1::GenerateRequest Biased(const std::vector<std::pair<int32_t, float>>& biases) {
  v1::GenerateRequest request;
  for (const auto& [token, bias] : biases) {
    v1::LogitBias* const added = request.add_logit_bias();
    added->set_token_id(token);
    added->set_bias(bias);
  }
  return request;
}

TEST(LogitBiasTest, GoesToTheWorkersByAscendingToken) {
  v1::SequenceParams params;
  GANTRY_ASSERT_OK(AddLogitBias(Biased({{99, -100}, {0, 100}, {7, 0.5f}}), 100, &params));
  ASSERT_EQ(params.logit_bias_size(), 3);
  EXPECT_EQ(params.logit_bias(0).token_id(), 0);
  EXPECT_EQ(params.logit_bias(0).bias(), 100);
  EXPECT_EQ(params.logit_bias(1).token_id(), 7);
  EXPECT_EQ(params.logit_bias(2).token_id(), 99);
}

TEST(LogitBiasTest, NamesWhatIsWrong) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::pair<int32_t, float>> many;
  for (int i = 0; i < 1025; ++i) many.push_back({i, 0});
  const std::pair<std::vector<std::pair<int32_t, float>>, std::string> cases[] = {
      {{{1, 1}, {100, 1}}, "logit_bias[1].token_id: expected an id from 0 to 99, found 100"},
      {{{-1, 1}}, "logit_bias[0].token_id"},
      {{{1, 100.5f}}, "logit_bias[0].bias: expected -100 to 100, found 100.5"},
      {{{1, nan}}, "logit_bias[0].bias"},
      {{{1, -std::numeric_limits<float>::infinity()}}, "logit_bias[0].bias"},
      {{{5, 1}, {6, 1}, {5, 1}}, "found 5 twice"},
      {many, "at most 1024"},
  };
  for (const auto& [biases, expected] : cases) {
    v1::SequenceParams params;
    EXPECT_THAT(AddLogitBias(Biased(biases), 100, &params),
                StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr(expected)));
  }
}

TEST(SamplingTest, TheRequestComesFirst) {
  GenerationConfig defaults;
  defaults.do_sample = true;
  defaults.temperature = 0.7;
  defaults.top_k = 50;
  v1::Sampling request;
  request.set_temperature(0);
  request.set_top_k(0);
  request.set_seed(0);
  GANTRY_ASSERT_OK_AND_ASSIGN(const auto params, ResolveSampling(request, defaults, 9));
  EXPECT_EQ(params.temperature(), 0);
  EXPECT_EQ(params.top_k(), 0);
  EXPECT_EQ(params.seed(), 0);
}

}  // namespace
}  // namespace gantry
