#include "coordinator/sampling.h"

#include <cmath>
#include <limits>

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
