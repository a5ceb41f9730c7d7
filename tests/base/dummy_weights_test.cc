#include "base/dummy_weights.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(DummyWeightsTest, AreAFunctionOfStreamAndIndex) {
  // The recipe of the header, computed apart in Python: other devices must give the same.
  constexpr uint64_t kStream = 0x0123456789abcdef;
  std::vector<float> values(6);
  FillDummyWeights({kStream, 0}, 0, 6, values.data());
  const std::vector<float> expected = {0.052232747f,   0.0194857916f, 0.00744248985f,
                                       0.00473612991f, 0.0048714479f, -0.0235453315f};
  for (size_t i = 0; i < values.size(); ++i) EXPECT_FLOAT_EQ(values[i], expected[i]) << i;
}

TEST(DummyWeightsTest, AnyPieceHasTheSameElements) {
  const DummyWeights weights = DummyWeightsOf(3, "model.layers.0.mlp.down_proj.weight");
  std::vector<float> whole(101);
  FillDummyWeights(weights, 0, 101, whole.data());
  for (const int64_t piece : {1, 2, 7, 100}) {
    std::vector<float> pieces(101);
    for (int64_t at = 0; at < 101; at += piece) {
      FillDummyWeights(weights, at, std::min<int64_t>(piece, 101 - at), &pieces[at]);
    }
    EXPECT_EQ(pieces, whole) << piece;
  }
}

TEST(DummyWeightsTest, NormsAreAroundOne) {
  EXPECT_EQ(DummyWeightsOf(1, "model.norm.weight").mean, 1);
  EXPECT_EQ(DummyWeightsOf(1, "model.layers.3.input_layernorm.weight").mean, 1);
  EXPECT_EQ(DummyWeightsOf(1, "lm_head.weight").mean, 0);
  EXPECT_NE(DummyWeightsOf(1, "a").stream, DummyWeightsOf(2, "a").stream);
  EXPECT_NE(DummyWeightsOf(1, "a").stream, DummyWeightsOf(1, "b").stream);
}

}  // namespace
}  // namespace gantry
