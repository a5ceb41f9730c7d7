#include "model/rope.h"

#include <cmath>
#include <limits>

#include "tests/model/sample_config.h"

namespace gantry {
namespace {

using ::testing::FloatEq;
using ::testing::Pointwise;

constexpr double kPi = 3.14159265358979323846;
constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

ModelConfig Config(int64_t head_dim, const Json& scaling) {
  Json json = SampleConfig("Phi3ForCausalLM");
  json["head_dim"] = head_dim;
  if (!scaling.is_null()) json["rope_scaling"] = scaling;
  return MustParse(json);
}

// The formulas again, in double: float may differ from them by its rounding only.
double Frequency(double theta, int i, int dim) { return std::pow(theta, -2.0 * i / dim); }

void ExpectNear(const std::vector<float>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i] / expected[i], 1, 2e-6) << "at " << i;
  }
}

MATCHER(SameFloat, "") {
  return ::testing::ExplainMatchResult(FloatEq(std::get<1>(arg)), std::get<0>(arg),
                                       result_listener);
}

TEST(RopeTest, Default) {
  const RopeFrequencies rope = ComputeRope(Config(128, nullptr), 1);
  std::vector<double> expected;
  for (int i = 0; i < 64; ++i) expected.push_back(Frequency(10000, i, 128));
  ExpectNear(rope.inv_freq, expected);
  EXPECT_EQ(rope.scale, 1);
}

TEST(RopeTest, PartialRotation) {
  Json json = SampleConfig("Phi3ForCausalLM");
  json["head_dim"] = 96;
  json["partial_rotary_factor"] = 0.75;
  const RopeFrequencies rope = ComputeRope(MustParse(json), 1);
  std::vector<double> expected;
  for (int i = 0; i < 36; ++i) expected.push_back(Frequency(10000, i, 72));
  ExpectNear(rope.inv_freq, expected);
}

TEST(RopeTest, Linear) {
  const ModelConfig config = Config(64, Json{{"type", "linear"}, {"factor", 2.5}});
  std::vector<double> expected;
  for (int i = 0; i < 32; ++i) expected.push_back(Frequency(10000, i, 64) / 2.5);
  ExpectNear(ComputeRope(config, 100000).inv_freq, expected);
}

TEST(RopeTest, DynamicGrowsBeyondTheTrainedLength) {
  const ModelConfig config = Config(64, Json{{"type", "dynamic"}, {"factor", 2.0}});
  for (const int64_t length : {1, 255, 256, 257, 700, 4096}) {
    const double used = std::max<double>(length, 256);
    const double theta = 10000 * std::pow(2.0 * used / 256 - 1, 64.0 / 62);
    std::vector<double> expected;
    for (int i = 0; i < 32; ++i) expected.push_back(Frequency(theta, i, 64));
    ExpectNear(ComputeRope(config, length).inv_freq, expected);
  }
}

TEST(RopeTest, Llama3) {
  const ModelConfig config = Config(128, Json{{"rope_type", "llama3"},
                                              {"rope_theta", 500000.0},
                                              {"factor", 8.0},
                                              {"low_freq_factor", 1.0},
                                              {"high_freq_factor", 4.0},
                                              {"original_max_position_embeddings", 8192}});
  std::vector<double> expected;
  int kept = 0, stretched = 0;
  for (int i = 0; i < 64; ++i) {
    const double plain = Frequency(500000, i, 128);
    // Turns that the frequency makes within the original context.
    const double turns = 8192 * plain / (2 * kPi);
    if (turns > 4) {
      expected.push_back(plain);
      ++kept;
    } else if (turns < 1) {
      expected.push_back(plain / 8);
      ++stretched;
    } else {
      const double smooth = (turns - 1) / 3;
      expected.push_back((1 - smooth) * plain / 8 + smooth * plain);
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(stretched, 0);
  EXPECT_LT(kept + stretched, 64);
  ExpectNear(ComputeRope(config, 1).inv_freq, expected);
}

Json LongRope() {
  return Json{{"type", "su"},
              {"short_factor", {1.0, 1.1, 1.25, 2.0}},
              {"long_factor", {1.5, 4.0, 10.0, 32.5}},
              {"original_max_position_embeddings", 64}};
}

TEST(RopeTest, LongRopeSwitchesAtTheOriginalLength) {
  const ModelConfig config = Config(8, LongRope());
  std::vector<double> short_form, long_form;
  for (int i = 0; i < 4; ++i) {
    short_form.push_back(Frequency(10000, i, 8) / config.rope.short_factor[i]);
    long_form.push_back(Frequency(10000, i, 8) / config.rope.long_factor[i]);
  }
  ExpectNear(ComputeRope(config, 1).inv_freq, short_form);
  ExpectNear(ComputeRope(config, 64).inv_freq, short_form);
  ExpectNear(ComputeRope(config, 65).inv_freq, long_form);
  // 256 positions from 64: the scale does not depend on the length.
  const float scale = static_cast<float>(std::sqrt(1 + std::log(4.0) / std::log(64.0)));
  EXPECT_FLOAT_EQ(ComputeRope(config, 1).scale, scale);
  EXPECT_FLOAT_EQ(ComputeRope(config, 65).scale, scale);
}

TEST(RopeTest, LongRopeScale) {
  Json scaling = LongRope();
  scaling["attention_factor"] = 1.75;
  EXPECT_EQ(ComputeRope(Config(8, scaling), 1).scale, 1.75);
  scaling.erase("attention_factor");
  scaling["factor"] = 1;
  EXPECT_EQ(ComputeRope(Config(8, scaling), 1).scale, 1);
  scaling.erase("factor");
  scaling["original_max_position_embeddings"] = 512;  // longer than max_position_embeddings
  EXPECT_EQ(ComputeRope(Config(8, scaling), 1).scale, 1);
}

// Numbers from the formulas in numpy's float32, in the order of operations of torch.
TEST(RopeTest, RoundsAsFloat32) {
  EXPECT_THAT(ComputeRope(Config(8, nullptr), 1).inv_freq,
              Pointwise(SameFloat(), {1.f, 0.100000001f, 0.00999999978f, 0.00100000005f}));
  EXPECT_THAT(ComputeRope(Config(8, Json{{"type", "linear"}, {"factor", 4}}), 1).inv_freq,
              Pointwise(SameFloat(), {0.25f, 0.0250000004f, 0.00249999994f, 0.000250000012f}));
  EXPECT_THAT(ComputeRope(Config(8, Json{{"type", "dynamic"}, {"factor", 2}}), 700).inv_freq,
              Pointwise(SameFloat(), {1.f, 0.0607115477f, 0.00368589209f, 0.000223776195f}));
  EXPECT_THAT(ComputeRope(Config(8, LongRope()), 64).inv_freq,
              Pointwise(SameFloat(), {1.f, 0.0909090936f, 0.00800000038f, 0.000500000024f}));
  EXPECT_THAT(
      ComputeRope(Config(8, LongRope()), 65).inv_freq,
      Pointwise(SameFloat(), {0.666666687f, 0.0250000004f, 0.00100000005f, 3.07692317e-05f}));
  const std::vector<float> llama3 =
      ComputeRope(Config(128, Json{{"rope_type", "llama3"},
                                   {"rope_theta", 500000.0},
                                   {"factor", 8.0},
                                   {"low_freq_factor", 1.0},
                                   {"high_freq_factor", 4.0},
                                   {"original_max_position_embeddings", 8192}}),
                  1)
          .inv_freq;
  const std::pair<int, float> expected[] = {{0, 1.f},
                                            {1, 0.814617217f},
                                            {20, 0.0165604409f},
                                            {28, 0.00321144611f},
                                            {30, 0.00137189368f},
                                            {33, 0.00031269365f},
                                            {35, 9.5562129e-05f},
                                            {40, 3.42810235e-05f},
                                            {63, 3.06892588e-07f}};
  for (const auto& [i, value] : expected) EXPECT_FLOAT_EQ(llama3[i], value) << i;
}

TEST(RopeTest, ValidUpTo) {
  const ModelConfig plain = Config(8, nullptr);
  EXPECT_EQ(RopeValidUpTo(plain, 1), kForever);
  EXPECT_EQ(RopeValidUpTo(plain, 100000), kForever);
  const ModelConfig dynamic = Config(8, Json{{"type", "dynamic"}, {"factor", 2}});
  EXPECT_EQ(RopeValidUpTo(dynamic, 1), 256);
  EXPECT_EQ(RopeValidUpTo(dynamic, 256), 256);
  EXPECT_EQ(RopeValidUpTo(dynamic, 257), 257);
  const ModelConfig longrope = Config(8, LongRope());
  EXPECT_EQ(RopeValidUpTo(longrope, 64), 64);
  EXPECT_EQ(RopeValidUpTo(longrope, 65), kForever);
}

}  // namespace
}  // namespace gantry
